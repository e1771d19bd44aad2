"""Questions to servers: yes only while they serve, no in every other case."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from deploy.local.ports import free_port
from deploy.local.probes import grpc_serves, http_serves

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
async def grpc_server() -> AsyncIterator[tuple[str, health.HealthServicer]]:
    """The address of a server with nothing but the health service."""
    server = grpc.aio.server()
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield address, servicer
    await server.stop(None)


@pytest.mark.parametrize(("says", "serves"), [(SERVING, True), (NOT_SERVING, False)])
async def test_grpc_server_serves_when_it_says_so(
    grpc_server: tuple[str, health.HealthServicer], says: int, *, serves: bool
) -> None:
    address, servicer = grpc_server

    await servicer.set("", says)

    assert await grpc_serves(address) is serves


async def test_unknown_service_does_not_serve(grpc_server: tuple[str, health.HealthServicer]) -> None:
    address, _ = grpc_server

    assert not await grpc_serves(address, "unknown")


@pytest.mark.parametrize(
    ("answer", "serves"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH\r\n", False),
        (b"", False),
    ],
)
async def test_http_server_serves_when_it_answers_200(answer: bytes, *, serves: bool) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()

        assert await http_serves(f"{host}:{port}", "/healthz") is serves


async def test_nobody_serves_on_a_free_port() -> None:
    address = f"127.0.0.1:{free_port()}"

    assert not await grpc_serves(address)
    assert not await http_serves(address, "/")
