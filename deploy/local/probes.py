"""How to ask a server whether it serves: gRPC health, HTTP. All answer False while it does not."""

from __future__ import annotations

import grpc
import httpx
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


async def http_serves(url: str) -> bool:
    """Whether this address answers with a success."""
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=_PATIENCE) as client:  # noqa: S501 - plain HTTP on loopback: loading certificates would cost more than the question
        try:
            answer = await client.get(url)
        except httpx.TransportError:
            return False
    return answer.is_success
