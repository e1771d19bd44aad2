"""How to ask a server whether it serves: gRPC health, HTTP. All answer False while it does not."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

import grpc
from grpc_health.v1 import health_pb2

_PATIENCE = 2.0


async def grpc_serves(address: str, service: str = "") -> bool:
    """Whether the standard health service at this address says that `service` is serving."""
    async with grpc.aio.insecure_channel(address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=_PATIENCE)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def http_serves(address: str, path: str) -> bool:
    """Whether a GET of this path at `host:port` is answered with 200."""
    return await asyncio.to_thread(_http_serves, address, path)


def _http_serves(address: str, path: str) -> bool:
    connection = HTTPConnection(address, timeout=_PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
