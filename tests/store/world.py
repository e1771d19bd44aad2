"""The store in a test: its real parts on a real database, with partners and neighbours that do as they are told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from ruum.store.v1 import events_pb2
from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.db import Database
from services.chassis.errors import RuumError
from services.chassis.events import Outbox
from services.chassis.idempotency import Commands
from services.chassis.ids import new_id
from services.chassis.jst import BusinessCalendar
from services.chassis.pages import Page
from services.chassis.webhooks import StandardWebhooks, StripeWebhooks
from services.store.checkout.domain import OpenKeyCheckout, SnapshotView, TakeSnapshot, UpdateCheckout
from services.store.checkout.models import CheckoutView
from services.store.coupons.domain import PutCoupons
from services.store.coupons.models import CouponTerms
from services.store.main import wired
from services.store.models import Address, LocalText, Orderer, outbox, requests
from services.store.orders.domain import CancelOrder, MarkOrder
from services.store.orders.models import Order, OrderState, OrderView
from services.store.payments.domain import Authorise, CapturePayment, EnsureAuthorised
from services.store.payments.models import Payment, PaymentView
from services.store.placing.domain import AbandonPlacing, BeginPlacing, ConfirmOrder, Placing
from services.store.settings import Rules
from services.store.webhooks.domain import Receipt, Sender, read_standard, read_stripe
from tests.store.partner import SimulatedPartner

# A Friday, six in the evening in Japan.
NOW = datetime(2026, 7, 3, 9, 0, tzinfo=UTC)
WORKER = Caller("service", "worker")
SPAREKEY = Caller("service", "sparekey")
GATEWAY = Caller("service", "gateway")
DESK = Caller("operator", "op_desk")
CAMPAIGNS = Caller("service", "campaign-desk")

HOME = Address(postal_code="1080075", prefecture="東京都", city="港区", street="港南1-1", building="ルーム201")
ORDERER = Orderer(
    name="山田 花子", kana="ヤマダ ハナコ", phone="090-1234-5678", email="hanako@example.com", address=HOME
)
SECRET = "webhook-secret"


def new_member() -> str:
    return new_id("mem")


def request_id() -> str:
    return new_id("req")


def as_member(member_id: str) -> Caller:
    return Caller("member", member_id)


def just_before(order_id: str) -> str:
    """The cursor of a list, oldest first, that goes on with this order: of its millisecond, and random bits all 0."""
    earlier = order_id[: len("ord_") + 10] + 16 * "0"
    return Page(size=1).listed([earlier, order_id], lambda key: (key,)).next_cursor


@dataclass
class Neighbours:
    """Identity and the ledger; instead of points, how the ledger is away."""

    points: int | RuumError = 0
    person: Orderer = ORDERER

    async def orderer(self, member_id: str) -> Orderer:
        return self.person

    async def available(self, member_id: str) -> int:
        if isinstance(self.points, RuumError):
            raise self.points
        return self.points


class World:
    """One store, its partners, its neighbours and its clock."""

    def __init__(self, database: Database, calendar: BusinessCalendar | None = None, **rules: Any) -> None:
        self.clock = FixedClock(NOW)
        self.database = database
        self.card = SimulatedPartner("card", self.clock)
        self.deferred = SimulatedPartner("deferred", self.clock)
        self.epos = SimulatedPartner("epos", self.clock)
        self.neighbours = Neighbours()
        self.rules = Rules(**rules)
        self.calendar = calendar or BusinessCalendar()
        self.commands = Commands(database, Outbox("store", events_pb2, outbox), requests, b"k" * 32, self.clock)
        standard = Sender(StandardWebhooks([SECRET], self.clock), read_standard)
        self.store = wired(
            self.commands,
            self.rules,
            self.calendar,
            {"card": self.card, "deferred": self.deferred, "epos": self.epos},
            self.card,
            {"card": Sender(StripeWebhooks([SECRET], self.clock), read_stripe), "deferred": standard, "epos": standard},
            self.neighbours,
            self.neighbours,
        )

    # A member at the screen.

    async def opened(self, member: str, sku: str = "key-normal", quantity: int = 1, **more: Any) -> CheckoutView:
        asked = OpenKeyCheckout(
            request_id=request_id(),
            member_id=member,
            room_id=more.pop("room_id", None) or new_id("room"),
            sku=sku,
            quantity=quantity,
            address=more.pop("address", HOME),
        )
        return await self.store.checkouts.open_key(SPAREKEY, asked)

    async def updated(self, view: CheckoutView, **choices: Any) -> CheckoutView:
        asked = UpdateCheckout(request_id=request_id(), order_id=view.order_id, version=view.version, **choices)
        return await self.store.checkouts.update(as_member(view.member_id), asked)

    async def ready(self, member: str, means: str = "card", **choices: Any) -> CheckoutView:
        """A checkout with all that the confirmation page needs."""
        opening = {name: choices.pop(name) for name in ("sku", "quantity", "address") if name in choices}
        view = await self.opened(member, **opening)
        card = {"card_id": new_id("pm")} if means == "card" and "card_id" not in choices else {}
        return await self.updated(view, means=means, **card, **choices)

    async def snapshot(self, view: CheckoutView, **more: Any) -> SnapshotView:
        facts = {"notices_version": "2026-01", **more.pop("flow_facts", {})}
        asked = TakeSnapshot(
            request_id=request_id(),
            order_id=view.order_id,
            member_id=view.member_id,
            flow_facts=facts,
            language="ja",
            address=more.pop("address", HOME),
        )
        return await self.store.checkouts.take_snapshot(SPAREKEY, asked)

    # The process that places it and what comes after.

    async def begun(self, view: CheckoutView, attempt: int = 1, snapshot_hash: str = "", **more: Any) -> Placing:
        confirmed = snapshot_hash or (await self.snapshot(view)).snapshot_hash
        asked = BeginPlacing(
            **{"request_id": request_id(), **more},
            order_id=view.order_id,
            attempt=attempt,
            snapshot_hash=confirmed,
            terms_version="t1",
            cancellation_version="c1",
        )
        return await self.store.placings.begin(WORKER, asked)

    async def authorised(self, order_id: str, attempt: int = 1, **more: Any) -> PaymentView:
        asked = Authorise(**{"request_id": request_id(), **more}, order_id=order_id, attempt=attempt)
        return await self.store.payments.authorise(WORKER, asked)

    async def confirmed(self, order_id: str, attempt: int = 1, **more: Any) -> OrderView:
        asked = ConfirmOrder(
            **{"request_id": request_id(), **more}, order_id=order_id, attempt=attempt, dispatch_business_days=7
        )
        return await self.store.placings.confirm(WORKER, asked)

    async def abandoned(self, order_id: str, attempt: int = 1, **more: Any) -> OrderView:
        asked = AbandonPlacing(
            **{"request_id": request_id(), **more}, order_id=order_id, attempt=attempt, reason="card-declined"
        )
        return await self.store.placings.abandon(WORKER, asked)

    async def placed(self, member: str, means: str = "card", **choices: Any) -> OrderView:
        view = await self.ready(member, means, **choices)
        await self.begun(view)
        await self.authorised(view.order_id)
        if means == "epos":
            self.epos.decide(view.order_id, "authorised")
            await self.authorised(view.order_id)
        return await self.confirmed(view.order_id)

    async def ensured(self, order_id: str, **more: Any) -> PaymentView:
        asked = EnsureAuthorised(**{"request_id": request_id(), **more}, order_id=order_id)
        return await self.store.payments.ensure_authorised(WORKER, asked)

    async def captured(self, order_id: str, **more: Any) -> PaymentView:
        asked = CapturePayment(**{"request_id": request_id(), **more}, order_id=order_id)
        return await self.store.payments.capture(WORKER, asked)

    async def cancelled(self, order_id: str, **more: Any) -> OrderView:
        asked = CancelOrder(
            **{"request_id": request_id(), **more}, order_id=order_id, reason="key-number-not-confirmed"
        )
        return await self.store.orders.cancel(WORKER, asked)

    async def marked(self, order_id: str, state: OrderState, **more: Any) -> OrderView:
        asked = MarkOrder(**{"request_id": request_id(), **more}, order_id=order_id, state=state)
        return await self.store.orders.mark(WORKER, asked)

    async def order(self, order_id: str) -> OrderView:
        return await self.store.orders.get(WORKER, order_id)

    # What partners send.

    async def card_webhook(
        self, order_id: str, kind: str = "payment_intent.amount_capturable_updated", **more: Any
    ) -> Receipt:
        about = {"id": "pi_1", "object": "payment_intent", "metadata": {"merchant_ref": f"{order_id}-1"}}
        event = {"id": new_id("evt"), "type": kind, "data": {"object": about}, **more}
        body = json.dumps(event).encode()
        headers = StripeWebhooks([SECRET], self.clock).sign(body)
        return await self.store.webhooks.receive(GATEWAY, "card", headers, body)

    async def webhook(self, partner: str, order_id: str, kind: str = "told", ordinal: int = 1, **more: Any) -> Receipt:
        event = {"id": new_id("evt"), "type": kind, "data": {"merchant_ref": f"{order_id}-{ordinal}"}, **more}
        body = json.dumps(event).encode()
        headers = StandardWebhooks([SECRET], self.clock).sign(event["id"], body)
        return await self.store.webhooks.receive(GATEWAY, partner, headers, body)

    # The campaign desk.

    async def coupon(self, **terms: Any) -> str:
        code = new_id("cpn").upper().replace("_", "")
        stated: dict[str, Any] = {
            "amount_off": 500,
            "percent_off": 0,
            "first_day": NOW.date() - timedelta(days=10),
            "last_day": NOW.date() + timedelta(days=60),
            "minimum": 0,
            "skus": (),
            "uses_per_member": 1,
            "uses_total": 1000,
        }
        made = CouponTerms(code=code, name=LocalText(ja="割引", en="off", zh_hans="优惠"), **(stated | terms))
        await self.store.coupons.put(CAMPAIGNS, PutCoupons(request_id=request_id(), coupons=(made,)))
        return code

    # Looking behind.

    async def later(self, by: timedelta) -> None:
        self.clock.advance(by)

    async def swept(self) -> tuple[int, int]:
        swept = await self.store.intents.sweep()
        return swept.settled, swept.still_unknown

    async def payments(self, order_id: str) -> list[Payment]:
        found = sa.select(Payment).where(Payment.table().c.order_id == order_id).order_by(Payment.table().c.ordinal)
        async with self.database.reading() as session:
            return list(await session.scalars(found))

    async def row(self, order_id: str) -> Order:
        async with self.database.reading() as session:
            return (await session.scalars(sa.select(Order).where(Order.table().c.order_id == order_id))).one()

    async def told(self, about: str) -> list[str]:
        """The events of an aggregate and the lines of its process, in their order."""
        t = outbox.c
        found = sa.select(t.subject).where(sa.or_(t.aggregate_id == about, t.aggregate_id.like(f"%/{about}")))
        async with self.database.reading() as session:
            return [
                subject.split(".")[2] if "." in subject else subject
                for subject in await session.scalars(found.order_by(t.position))
            ]

    async def leave_nothing_open(self) -> None:
        async def close(tx: AsyncSession) -> None:
            await tx.execute(sa.text("update intents set done_at = opened_at where done_at is null"))
            await tx.execute(sa.text("update payments set state = 'voided' where state = 'requires-action'"))

        await self.database.transact(close)

    async def scalar(self, sql: str, **given: Any) -> Any:
        async with self.database.reading() as session:
            return await session.scalar(sa.text(sql), given)
