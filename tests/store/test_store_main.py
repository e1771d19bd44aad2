"""The service as it is deployed: its own process on PostgreSQL, NATS and Temporal, with partners over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from deploy.local import nats
from deploy.local.child import Child, running
from deploy.local.postgres import Postgres
from deploy.local.temporal import NAMESPACE, Temporal
from ruum.common.v1 import common_pb2
from ruum.identity.v1 import identity_pb2
from ruum.identity.v1.identity_pb2_grpc import add_IdentityServiceServicer_to_server
from ruum.points.v1 import points_pb2
from ruum.points.v1.points_pb2_grpc import add_PointsServiceServicer_to_server
from ruum.store.v1 import events_pb2
from ruum.store.v1 import store_pb2 as pb
from ruum.store.v1.store_pb2_grpc import StoreServiceStub
from services.chassis import stream
from services.chassis.caller import Caller
from services.chassis.db import Database
from services.chassis.ids import new_id
from services.chassis.temporal import NamedFailures
from tests.sandbox.harness import BEARERS, SIGNING_KEYS, Sandbox
from tests.store.test_store_service import CONTRACT
from tests.store.world import DESK, GATEWAY, HOME, ORDERER, SPAREKEY, WORKER, as_member, just_before, request_id
from tests.support.callers import Keys
from tests.support.contexts import served
from tests.support.own_process import ends_when_told, program, told
from tests.support.waiting import until
from workflows.invoice import contract as invoices
from workflows.invoice.activities import InvoiceActivities
from workflows.invoice.workflow import DeferredInvoice
from workflows.worker import activities_of

PARTNERS = ("card", "deferred", "epos")


class Neighbours:
    """Identity and points, as far as the store asks them."""

    async def GetOrderer(self, request: identity_pb2.GetOrdererRequest, _: Any) -> identity_pb2.Profile:  # noqa: N802  # the contract's
        home = common_pb2.Address(**HOME.model_dump())
        person = ORDERER.model_dump(exclude={"address"})
        return identity_pb2.Profile(member_id=request.member_id, address=home, **person)

    async def GetBalance(self, request: points_pb2.GetBalanceRequest, _: Any) -> points_pb2.Balance:  # noqa: N802  # as above
        return points_pb2.Balance(available=100)

    def __getattr__(self, name: str) -> Any:
        """What is not asked here is there, so that it can be registered, and answers nothing."""
        return None


class Deployed:
    """The store that runs somewhere, and whoever speaks to it."""

    def __init__(self, environment: dict[str, str], log: Path, keys: Keys, sandbox: Sandbox) -> None:
        self.address = environment["RUUM_LISTEN"]
        self.sandbox = sandbox
        self._program = program("store", environment, log)
        self._keys = keys
        self._sent = 0

    def running(self) -> AbstractAsyncContextManager[Child]:
        return running(self._program)

    async def ask(self, caller: Caller, method: str, **fields: Any) -> Any:
        asks_for = CONTRACT.methods_by_name[method].input_type
        if "request_id" in asks_for.fields_by_name:
            fields = {"request_id": request_id(), **fields}
        request = getattr(pb, asks_for.name)(**fields)
        metadata = self._keys.metadata(caller, "store", self.sandbox.clock)
        async with self.channel() as channel:
            stub: Any = StoreServiceStub(channel)
            return await getattr(stub, method)(request, metadata=metadata)

    def channel(self) -> Any:
        """As the worker has it; what is asked carries the caller's own token."""
        return self._keys.channel("worker", self.address, "store", self.sandbox.clock)

    async def begun(self, means: str, card: str = "") -> str:
        """An order that is being placed."""
        member = new_id("mem")
        key = {"sku": "key-normal", "quantity": 1, "address": common_pb2.Address(**HOME.model_dump())}
        view = await self.ask(SPAREKEY, "OpenKeyCheckout", member_id=member, room_id=new_id("room"), **key)
        order = {"order_id": view.order_id}
        choice = {"means": means, "version": view.version} | ({"card_id": card} if card else {})
        await self.ask(as_member(member), "UpdateCheckout", **order, **choice)
        page = {"member_id": member, "language": "ja", "address": key["address"]}
        snapshot = await self.ask(SPAREKEY, "TakeSnapshot", **order, **page)
        ticked = {"terms_version": "t1", "cancellation_version": "c1", "snapshot_hash": snapshot.snapshot_hash}
        await self.ask(WORKER, "BeginPlacing", attempt=1, **order, **ticked)
        order_id: str = view.order_id
        return order_id

    async def authorised(self, order_id: str, **more: str) -> Any:
        return await self.ask(WORKER, "Authorise", order_id=order_id, attempt=1, **more)

    async def confirmed(self, order_id: str) -> Any:
        return await self.ask(WORKER, "ConfirmOrder", order_id=order_id, attempt=1, dispatch_business_days=7)

    async def hand_webhooks_on(self) -> None:
        """What the gateway does with partners' messages."""
        received = self.sandbox.receiver.received
        while True:
            for one in received[self._sent :]:
                self._sent += 1
                webhook = common_pb2.Webhook(partner=one.partner, headers=one.headers, body=one.content)
                if one.partner in PARTNERS:
                    await self.ask(GATEWAY, "ReceiveWebhook", webhook=webhook)
            await asyncio.sleep(0.05)


@pytest.fixture
async def deployed(
    postgres: Postgres,
    nats_server: nats.Nats,
    temporal_server: Temporal,
    database: Database,
    sandbox: Sandbox,
    keys: Keys,
    tmp_path: Path,
) -> AsyncIterator[Deployed]:
    await nats_server.create_stream()
    ring, neighbours = keys.ring(sandbox.clock), Neighbours()
    identity = [identity_pb2.DESCRIPTOR.services_by_name["IdentityService"]]
    points = [points_pb2.DESCRIPTOR.services_by_name["PointsService"]]
    async with (
        served("identity", ring, identity, lambda on: add_IdentityServiceServicer_to_server(neighbours, on)) as who,  # type: ignore[arg-type]  # it answers what is asked
        served("points", ring, points, lambda on: add_PointsServiceServicer_to_server(neighbours, on)) as how_many,  # type: ignore[arg-type]  # as above
    ):
        own = {
            "DEPLOYMENT": "local",
            "CLOCK_FILE": str(sandbox.clock._path),
            "TEMPORAL_ADDRESS": temporal_server.address,
            "IDENTITY_ADDRESS": who.address,
            "POINTS_ADDRESS": how_many.address,
            **{f"{name.upper()}_URL": f"{sandbox.url}/{name}" for name in PARTNERS},
            **{f"{name.upper()}_SECRET": BEARERS[name] for name in PARTNERS},
            **{f"{name.upper()}_WEBHOOK_SECRET": SIGNING_KEYS[name] for name in PARTNERS},
        }
        environment = told("store", postgres, nats_server, keys, **own)
        yield Deployed(environment, tmp_path / "log", keys, sandbox)


async def test_a_card_order_is_paid_told_and_stands_in_both_books(deployed: Deployed, nats_server: nats.Nats) -> None:
    async with deployed.running() as process:
        order_id = await deployed.begun("MEANS_CARD", "pm_card_jcb")
        payment = await deployed.authorised(order_id)
        order = await deployed.confirmed(order_id)
        captured = await deployed.ask(WORKER, "CapturePayment", order_id=order_id)
        page = common_pb2.Page(cursor=just_before(order_id), size=1)
        books = (await deployed.ask(DESK, "ListBooks", page=page)).books
        await ends_when_told(process)

    assert (payment.state, order.state) == (pb.PAYMENT_STATE_AUTHORISED, pb.ORDER_STATE_PLACED)
    assert captured.state == pb.PAYMENT_STATE_CAPTURED
    (book,) = books
    assert book.order.order_id == order_id
    assert (book.captured, book.partner_state) == (3_300, pb.PAYMENT_STATE_CAPTURED)
    placed = await first_told(nats_server, order_id)
    assert (placed.earning_amount, placed.flow, placed.header.aggregate_id) == (3_300, "spare-key", order_id)


async def test_a_decision_at_the_partners_page_arrives_by_webhook(deployed: Deployed) -> None:
    async with deployed.running():
        webhooks = asyncio.create_task(deployed.hand_webhooks_on())
        order_id = await deployed.begun("MEANS_EPOS")
        payment = await deployed.authorised(order_id)
        (there,) = await deployed.sandbox.seen("payments")
        assert (payment.state, payment.redirect_url) == (pb.PAYMENT_STATE_REQUIRES_ACTION, there["redirect_url"])

        await deployed.sandbox.press(f"payments/{there['id']}/decide", result="approved")

        async def agreed() -> bool:
            order = await deployed.ask(WORKER, "GetOrder", order_id=order_id)
            return bool(order.payment.state == pb.PAYMENT_STATE_AUTHORISED)

        await until(agreed)
        await deployed.confirmed(order_id)
        cancelled = await deployed.ask(WORKER, "CancelOrder", order_id=order_id, reason="lease-ended")
        webhooks.cancel()

    assert (cancelled.state, cancelled.payment.state) == (pb.ORDER_STATE_CANCELLED, pb.PAYMENT_STATE_VOIDED)
    assert [payment["state"] for payment in await deployed.sandbox.seen("payments")] == ["voided"]


@pytest.mark.rule("OP-06")
async def test_an_issued_invoice_starts_its_process_and_a_payment_ends_it(
    deployed: Deployed, temporal_server: Temporal
) -> None:
    client = await Client.connect(temporal_server.address, namespace=NAMESPACE, data_converter=pydantic_data_converter)
    async with deployed.running(), deployed.channel() as channel:
        activities = InvoiceActivities(StoreServiceStub(channel))
        async with Worker(
            client,
            task_queue=invoices.TASK_QUEUE,
            workflows=[DeferredInvoice],
            activities=activities_of(activities),
            interceptors=[NamedFailures()],
        ):
            webhooks = asyncio.create_task(deployed.hand_webhooks_on())
            order_id = await deployed.begun("MEANS_DEFERRED")
            await deployed.authorised(order_id)
            await deployed.confirmed(order_id)
            invoice = await deployed.ask(WORKER, "IssueInvoice", order_id=order_id)
            case = client.get_workflow_handle(invoices.workflow_id(invoice.invoice_id))
            await until(lambda: is_running(client, invoice.invoice_id))
            (there,) = await deployed.sandbox.seen("transactions")

            await deployed.sandbox.press(f"transactions/{there['id']}/paid")

            ended = await asyncio.wait_for(case.result(), 20)
            shown = (await case.describe()).search_attributes
            webhooks.cancel()

    assert ended == "paid"
    assert (shown["OrderId"], shown["Case"]) == ([order_id], ["invoice"])


@pytest.mark.rule("QA-05")
async def test_a_process_killed_before_its_answer_gives_that_answer_to_the_repeat(deployed: Deployed) -> None:
    asked = request_id()
    async with deployed.running() as first:
        order_id = await deployed.begun("MEANS_CARD", "pm_card_visa")
        await deployed.sandbox.fault("card", withhold_s=5)
        authorising = asyncio.create_task(deployed.authorised(order_id, request_id=asked))

        async def done_at_the_partner() -> bool:
            return bool(await deployed.sandbox.seen("payment-intents"))

        await until(done_at_the_partner)
        first.kill()
        authorising.cancel()
    await deployed.sandbox.fault("card")

    async with deployed.running():
        payment = await deployed.authorised(order_id, request_id=asked)
        again = await deployed.authorised(order_id, request_id=asked)

    assert payment == again
    assert payment.state == pb.PAYMENT_STATE_AUTHORISED
    assert len(await deployed.sandbox.seen("payment-intents")) == 1


async def is_running(client: Client, invoice_id: str) -> bool:
    found = client.list_workflows(f'WorkflowId = "{invoices.workflow_id(invoice_id)}"')
    return [case.status async for case in found] == [WorkflowExecutionStatus.RUNNING]


async def first_told(nats_server: nats.Nats, order_id: str) -> events_pb2.OrderPlaced:
    client = await stream.connect(nats_server.url(nats.ADMIN), "test")
    try:
        pulled = await client.jetstream().pull_subscribe("ruum.store.order_placed.v1", stream=stream.STREAM)
        async with asyncio.timeout(20):
            while True:
                for message in await pulled.fetch(10, timeout=15):
                    event = events_pb2.OrderPlaced.FromString(message.data)
                    if event.order_id == order_id:
                        return event
    finally:
        await client.close()
