"""The bare ceiling of reading: FastAPI, grpc.aio, one statement over the plain driver, and no logic (QA-20)."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import uvicorn
from fastapi import FastAPI
from psycopg import AsyncConnection

from ruum.points.v1 import points_pb2
from ruum.points.v1.points_pb2_grpc import (
    PointsServiceServicer,
    PointsServiceStub,
    add_PointsServiceServicer_to_server,
)

_CONNECTIONS = 8
_ROW = "select available, held, pending, debt from points.balances where member_id = %s"


class Bare(PointsServiceServicer):
    def __init__(self) -> None:
        self._free: asyncio.Queue[AsyncConnection[Any]] = asyncio.Queue()

    async def connect(self, dsn: str) -> None:
        for _ in range(_CONNECTIONS):
            self._free.put_nowait(await AsyncConnection.connect(dsn, autocommit=True))

    async def GetBalance(self, request: points_pb2.GetBalanceRequest, _context: Any) -> points_pb2.Balance:  # noqa: N802  # the contract's
        connection = await self._free.get()
        try:
            row = await (await connection.execute(_ROW, [request.member_id])).fetchone()
        finally:
            self._free.put_nowait(connection)
        available, held, pending, debt = row or (0, 0, 0, 0)
        return points_pb2.Balance(available=available, held=held, pending=pending, debt=debt)


async def service(address: str, dsn: str) -> None:
    bare = Bare()  # type: ignore[abstract]  # the bench asks the one method
    await bare.connect(dsn)
    server = grpc.aio.server()
    add_PointsServiceServicer_to_server(bare, server)
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


def front(port: str, address: str) -> None:
    app = FastAPI()
    stubs: list[Any] = []

    @app.get("/points/{member_id}")
    async def points(member_id: str) -> dict[str, int]:
        if not stubs:  # its channel belongs to the server's loop
            stubs.append(PointsServiceStub(grpc.aio.insecure_channel(address)))
        balance = await stubs[0].GetBalance(points_pb2.GetBalanceRequest(member_id=member_id))
        names = ("available", "held", "pending", "debt")
        return {name: getattr(balance, name) for name in names}

    uvicorn.run(app, port=int(port), log_level="error", access_log=False)


if __name__ == "__main__":
    role, *told = sys.argv[1:]
    if role == "service":
        asyncio.run(service(*told))
    else:
        front(*told)
