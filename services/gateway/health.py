"""Whether the gateway lives, and which services it can reach (PO-04)."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_PATIENCE = 2.0


class Health:
    """Asks each service's own health; one that is down leaves the rest working."""

    def __init__(self, channels: dict[str, grpc.aio.Channel]) -> None:
        self._stubs: dict[str, Any] = {name: health_pb2_grpc.HealthStub(channel) for name, channel in channels.items()}

    async def alive(self, _request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(self, _request: Request) -> Response:
        """200 when every service serves; 503 names those that do not."""
        states = await asyncio.gather(*(self._serves(name) for name in self._stubs))
        services = dict(zip(self._stubs, states, strict=True))
        return JSONResponse({"services": services}, 200 if all(states) else 503)

    async def _serves(self, name: str) -> bool:
        try:
            answer = await self._stubs[name].Check(health_pb2.HealthCheckRequest(), timeout=_PATIENCE)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
