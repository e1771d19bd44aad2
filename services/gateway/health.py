"""Whether the gateway lives, whether it can serve, and what is missing (PO-04)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.gateway.live.source import Source

_PATIENCE = 1.0
_KEPT_SECONDS = 1.0


class Health:
    """Asks each service's own health.

    Ready is a gateway that has once reached identity: then its addresses, its network and its keys are right. It
    stays ready while services are away, since it answers for the others and names those that are missing; were all
    gateways taken out because one service is down, all would be down.

    Args:
        channels: without a token: health is open to all.
    """

    def __init__(self, channels: Mapping[str, grpc.aio.Channel], source: Source) -> None:
        self._stubs: dict[str, Any] = {name: health_pb2_grpc.HealthStub(channel) for name, channel in channels.items()}
        self._source = source
        self._asking = asyncio.Lock()
        self._missing: list[str] = []
        self._asked_at = float("-inf")
        self._began = False

    async def alive(self, _request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(self, _request: Request) -> Response:
        """200 when the gateway can serve; names what is missing, however it is answered."""
        async with self._asking:
            if time.monotonic() - self._asked_at > _KEPT_SECONDS:  # however often strangers ask
                await self._look()
        status = HTTPStatus.OK if self._began else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": "ready" if self._began else "starting", "missing": self._missing}, status)

    async def _look(self) -> None:
        states = await asyncio.gather(*map(self._serves, self._stubs.values()))
        self._missing = [name for name, serves in zip(self._stubs, states, strict=True) if not serves]
        if not self._source.follows:
            self._missing.append("events")
        self._began = self._began or "identity" not in self._missing
        self._asked_at = time.monotonic()

    @staticmethod
    async def _serves(stub: Any) -> bool:
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_PATIENCE)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
