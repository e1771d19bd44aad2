"""The service as it is deployed, among neighbours served over gRPC, the partners' stand-ins and a real process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from temporalio.client import Client

from deploy.local import nats
from deploy.local.child import running
from deploy.local.ports import LOOPBACK
from deploy.local.postgres import Postgres
from deploy.local.temporal import Temporal
from ruum.common.v1.common_pb2 import Webhook
from ruum.points.v1 import points_pb2
from ruum.points.v1.points_pb2_grpc import PointsServiceServicer, PointsServiceStub, add_PointsServiceServicer_to_server
from ruum.rooms.v1 import rooms_pb2
from ruum.rooms.v1.rooms_pb2_grpc import add_RoomsServiceServicer_to_server
from ruum.sparekey.v1 import sparekey_pb2
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceStub
from ruum.store.v1 import store_pb2
from ruum.store.v1.store_pb2_grpc import StoreServiceStub, add_StoreServiceServicer_to_server
from services.chassis.caller import Caller
from services.chassis.clock import SystemClock
from services.chassis.ids import new_id
from services.chassis.temporal import connect
from services.sparekey.settings import Rules
from tests.sandbox.harness import BEARERS, SIGNING_KEYS, Receiver, Sandbox
from tests.sparekey.served_neighbours import Rooms, Store
from tests.support.callers import Keys, Metadata, member, operator, service
from tests.support.contexts import Served, served
from tests.support.own_process import program, told
from tests.support.waiting import until
from workflows.money.activities import MoneyActivities
from workflows.sparekey_order.activities import SparekeyActivities
from workflows.worker import activities_of, build

NUMBER, UNKNOWN_NUMBER = "AB12CD34", "AB120000"
_DESCRIBED = {
    "rooms": rooms_pb2.DESCRIPTOR.services_by_name["RoomsService"],
    "store": store_pb2.DESCRIPTOR.services_by_name["StoreService"],
    "points": points_pb2.DESCRIPTOR.services_by_name["PointsService"],
}


class Gateway:
    """Hands partners' webhooks on to the service, as the gateway does."""

    def __init__(self) -> None:
        self.port = 0
        self.stub: Any = None
        self.metadata: Metadata = ()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A stand-in that is stopped may hang up in the middle of a word.
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._answer(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if value}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        partner = head[0].split()[1].rpartition("/")[2]
        status = await self._handed_on(partner, headers, body)
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()

    async def _handed_on(self, partner: str, headers: Mapping[str, str], body: bytes) -> int:
        if self.stub is None:
            return 503
        signed = {name: value for name, value in headers.items() if name.startswith("webhook-")}
        webhook = Webhook(partner=partner, headers=signed, body=body)
        try:
            await self.stub.ReceiveWebhook(sparekey_pb2.ReceiveWebhookRequest(webhook=webhook), metadata=self.metadata)
        except grpc.aio.AioRpcError as failure:
            return 401 if failure.code() is grpc.StatusCode.UNAUTHENTICATED else 503
        return 200


@dataclass
class Deployed:
    """Everything that runs, and a member who lives there."""

    sandbox: Sandbox
    rooms: Rooms
    store: Store
    stub: Any
    keys: Keys
    log: Path
    member_id: str = field(default_factory=lambda: new_id("mem"))

    def __post_init__(self) -> None:
        self.rooms.members.add(self.member_id)

    def metadata(self, caller: Caller | None = None) -> Metadata:
        return self.keys.metadata(caller or member(self.member_id), "sparekey", SystemClock())

    @property
    def operator(self) -> Metadata:
        return self.metadata(operator("op_sato"))

    @property
    def worker(self) -> Metadata:
        return self.metadata(service("worker"))

    async def ask(self, method: str, request: Any, caller: Caller | None = None) -> Any:
        return await getattr(self.stub, method)(request, metadata=self.metadata(caller))

    async def reviewed(self, number: str = NUMBER) -> tuple[str, sparekey_pb2.PlaceOrderRequest]:
        """A draft with its number, on the confirmation page: its id, and what places it."""
        rid = new_id("req")
        start = sparekey_pb2.StartOrderRequest(
            request_id=rid,
            room_id=self.rooms.room_id,
            kind=sparekey_pb2.KEY_KIND_NORMAL,
            quantity=1,
            notices_version=Rules().notices_version,
            notices_language="ja",
            notices_agreed=True,
        )
        order_id = (await self.ask("StartOrder", start)).order_id
        entered = sparekey_pb2.EnterKeyNumberRequest(request_id=rid, order_id=order_id, key_number=number)
        await self.ask("EnterKeyNumber", entered)
        asked = sparekey_pb2.ReviewOrderRequest(request_id=new_id("req"), order_id=order_id, language="ja")
        review = await self.ask("ReviewOrder", asked)
        place = sparekey_pb2.PlaceOrderRequest(
            request_id=new_id("req"),
            order_id=order_id,
            snapshot_hash=review.snapshot_hash,
            terms_version=review.terms_version,
            cancellation_version=review.cancellation_version,
            agreed=True,
        )
        return order_id, place

    async def placed(self, number: str = NUMBER) -> str:
        order_id, place = await self.reviewed(number)
        answer = await self.ask("PlaceOrder", place)
        assert answer.outcome == sparekey_pb2.PLACED_OUTCOME_PLACED, answer
        return order_id

    async def order(self, order_id: str) -> Any:
        return await self.ask("GetKeyOrder", sparekey_pb2.GetKeyOrderRequest(order_id=order_id))

    async def until(self, order_id: str, state: str, patience: float = 30) -> Any:
        """The order, as soon as it is in this state."""
        wanted = sparekey_pb2.CaseState.Value(f"CASE_STATE_{state}")

        async def there() -> Any:
            order = await self.order(order_id)
            return order if order.state == wanted else None

        return await until(there, within=patience)

    async def said(self, order_id: str, code: str) -> bool:
        """Whether the order's timeline says it."""
        return code in [entry.code for entry in (await self.order(order_id)).timeline]

    async def at_maker(self, order_id: str, **stands: Any) -> Any:
        """The order at the maker, once it stands like this there."""
        async with asyncio.timeout(20):
            while True:
                found = [it for it in await self.sandbox.seen("orders") if it["order_ref"] == order_id]
                if found and stands.items() <= found[0].items():
                    return found[0]
                await asyncio.sleep(0.05)

    async def parcel(self, order_id: str) -> str:
        """The tracking number of the parcel on its way, once the service knows it."""

        async def number() -> str:
            return str((await self.order(order_id)).tracking_number)

        return str(await until(number))


@asynccontextmanager
async def deployed(
    postgres: Postgres, nats_server: nats.Nats, temporal: Temporal, keys: Keys, keys_file: Path, folder: Path
) -> AsyncIterator[Deployed]:
    """Starts all of it; stops all of it."""
    clock = SystemClock()
    ring = keys.ring(clock)
    rooms = Rooms(new_id("room"))  # type: ignore[abstract]  # what nobody asks for here is unimplemented
    store = Store()  # type: ignore[abstract]  # as rooms
    points = PointsServiceServicer()  # type: ignore[abstract]  # orders without points: nothing is asked
    async with AsyncExitStack() as stack:
        neighbours = {
            "rooms": await stack.enter_async_context(
                served("rooms", ring, [_DESCRIBED["rooms"]], partial(add_RoomsServiceServicer_to_server, rooms))
            ),
            "store": await stack.enter_async_context(
                served("store", ring, [_DESCRIBED["store"]], partial(add_StoreServiceServicer_to_server, store))
            ),
            "points": await stack.enter_async_context(
                served(
                    "points",
                    ring,
                    [_DESCRIBED["points"]],
                    partial(add_PointsServiceServicer_to_server, points),
                )
            ),
        }
        gateway = Gateway()
        webhooks = await asyncio.start_server(gateway.serve, LOOPBACK, 0)
        stack.push_async_callback(webhooks.wait_closed)
        stack.callback(webhooks.close)
        gateway.port = webhooks.sockets[0].getsockname()[1]
        sandbox = Sandbox(folder, Receiver(gateway.port))
        await sandbox.start()
        stack.push_async_callback(sandbox.close)
        own = _told(temporal, keys_file, neighbours, sandbox)
        environment = told("sparekey", postgres, nats_server, keys, **own)
        process = await stack.enter_async_context(running(program("sparekey", environment, folder / "sparekey.log")))
        address = environment["RUUM_LISTEN"]
        client = await connect(temporal.address, temporal.namespace)
        await stack.enter_async_context(_worker(client, keys, neighbours, address))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        gateway.stub = SparekeyServiceStub(channel)
        gateway.metadata = keys.metadata(service("gateway"), "sparekey", clock)
        yield Deployed(sandbox, rooms, store, gateway.stub, keys, process.program.log)


def _told(temporal: Temporal, keys_file: Path, neighbours: Mapping[str, Served], sandbox: Sandbox) -> dict[str, str]:
    return {
        "TEMPORAL_ADDRESS": temporal.address,
        "TEMPORAL_NAMESPACE": temporal.namespace,
        "MASTER_KEYS_FILE": str(keys_file),
        "ROOMS_ADDRESS": neighbours["rooms"].address,
        "STORE_ADDRESS": neighbours["store"].address,
        "MAKER_URL": f"{sandbox.url}/maker",
        "MAKER_SECRET": BEARERS["maker"],
        "SWEEP_EVERY": "PT1S",
        "DISPATCH_BUSINESS_DAYS": "5",
        **{f"{name.upper()}_WEBHOOK_SECRET": SIGNING_KEYS[name] for name in ("maker", "post", "carrier")},
    }


@asynccontextmanager
async def _worker(client: Client, keys: Keys, neighbours: Mapping[str, Served], sparekey: str) -> AsyncIterator[None]:
    """The real worker with the real activities, in this process."""
    clock = SystemClock()
    addresses = {"store": neighbours["store"].address, "points": neighbours["points"].address, "sparekey": sparekey}
    channels = {name: keys.channel("worker", address, name, clock) for name, address in addresses.items()}
    activities = activities_of(
        MoneyActivities(StoreServiceStub(channels["store"]), PointsServiceStub(channels["points"])),
        SparekeyActivities(SparekeyServiceStub(channels["sparekey"])),
    )
    try:
        async with build(client, activities):
            yield
    finally:
        for channel in channels.values():
            await channel.close()
