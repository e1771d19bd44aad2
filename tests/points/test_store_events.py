"""What the store and sparekey tell, as bytes in their order, and what it makes of an order's points (PT-05)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from google.protobuf.message import Message
from nats.aio.client import Client

from ruum.sparekey.v1 import events_pb2 as sparekey
from ruum.store.v1 import events_pb2 as store
from services.chassis.ids import new_id
from services.chassis.stream import Consumer
from services.points.events import OrderEvents
from services.points.grants.domain import GrantNotFound
from services.points.models import inbox
from tests.points.world import World, a_member, an_order


class Teller:
    """A context that tells of one order."""

    source: ClassVar[str]

    def __init__(self, world: World, member: str, order: str = "") -> None:
        self.world = world
        self.member = member
        self.order = order or an_order()
        self.version = 0
        # The client only fetches; the events are handed over here.
        self.consumer = Consumer(
            "points",
            self.source,
            Client(),
            world.database,
            world.told,
            inbox,
            world.clock,
            OrderEvents(world.grants).handlers(),
        )

    async def tell(self, subject: str, event: Message, version: int | None = None) -> bool:
        self.version += 1
        told: Any = event
        told.order_id = self.order
        told.header.event_id = new_id("evt")
        told.header.aggregate_id, told.header.member_id = self.order, self.member
        told.header.aggregate_version = version or self.version
        told.header.occurred_at.FromDatetime(self.world.now)
        return await self.consumer.take(f"ruum.{self.source}.{subject}.v1", told.SerializeToString())


class Store(Teller):
    source = "store"


class Sparekey(Teller):
    source = "sparekey"


def at(event: Any, field: str, instant: datetime) -> Any:
    getattr(event, field).FromDatetime(instant)
    return event


async def test_an_order_from_placing_to_the_end_of_its_claim_window(world: World) -> None:
    member = a_member()
    shop = Store(world, member)

    await shop.tell("order_placed", store.OrderPlaced(earning_amount=3_980, flow="goods"))
    await shop.tell("order_amount_changed", store.OrderAmountChanged(earning_amount=2_980))
    await shop.tell("order_dispatched", at(store.OrderDispatched(), "dispatched_at", world.now))
    await shop.tell("order_delivered", at(store.OrderDelivered(), "delivered_at", world.now))
    await shop.tell("order_closed", store.OrderClosed())
    review = await world.grants.review(shop.order)

    assert (review.state, review.points) == ("pending", 29)
    assert review.due_at == world.now.replace(hour=15) + timedelta(days=10)
    assert await world.lines(shop.order) == ["start", "review", "review", "review"]


async def test_an_order_closed_unclaimed_is_due_at_once(world: World) -> None:
    shop = Store(world, a_member())

    await shop.tell("order_placed", store.OrderPlaced(earning_amount=1_000))
    await shop.tell("order_closed", store.OrderClosed(unclaimed=True))

    assert (await world.grants.review(shop.order)).due_at == world.now


@pytest.mark.rule("PT-05")
@pytest.mark.parametrize("strays", [sparekey.KeyReturned(), sparekey.KeyLost()])
async def test_a_key_that_strays_is_not_due_until_it_is_sent_again(world: World, strays: Message) -> None:
    shop = Store(world, a_member())
    maker = Sparekey(world, shop.member, shop.order)
    await shop.tell("order_placed", store.OrderPlaced(earning_amount=1_000))
    await shop.tell("order_dispatched", at(store.OrderDispatched(), "dispatched_at", world.now))
    await maker.tell("key_dispatched", at(sparekey.KeyDispatched(), "dispatched_at", world.now))
    world.pass_time(days=12)

    await maker.tell("key_returned" if isinstance(strays, sparekey.KeyReturned) else "key_lost", strays)
    astray = (await world.grants.review(shop.order)).due_at
    world.pass_time(days=3)
    await maker.tell("key_dispatched", at(sparekey.KeyDispatched(redelivery=1), "dispatched_at", world.now))
    again = (await world.grants.review(shop.order)).due_at

    assert astray is None
    assert again == world.now.replace(hour=15) + timedelta(days=24)


async def test_a_key_event_that_overtakes_its_order_comes_again(world: World) -> None:
    maker = Sparekey(world, a_member())

    with pytest.raises(GrantNotFound):
        await maker.tell("key_returned", sparekey.KeyReturned())


async def test_a_cancelled_order_earns_nothing(world: World) -> None:
    shop = Store(world, a_member())

    await shop.tell("order_placed", store.OrderPlaced(earning_amount=1_000))
    await shop.tell("order_cancelled", store.OrderCancelled(reason="key-number-not-confirmed"))

    assert (await world.grants.review(shop.order)).state == "cancelled"


@pytest.mark.rule("OP-10")
async def test_events_that_come_doubled_count_once_and_those_that_come_early_wait(world: World) -> None:
    member = a_member()
    shop = Store(world, member)

    early = await shop.tell("order_amount_changed", store.OrderAmountChanged(earning_amount=500), version=2)
    first = await shop.tell("order_placed", store.OrderPlaced(earning_amount=1_000), version=1)
    doubled = await shop.tell("order_placed", store.OrderPlaced(earning_amount=1_000), version=1)
    then = await shop.tell("order_amount_changed", store.OrderAmountChanged(earning_amount=500), version=2)

    assert (early, first, doubled, then) == (False, True, True, True)
    assert (await world.balance(member)).pending == 5
    assert await world.lines(shop.order) == ["start", "review"]


async def test_an_event_of_another_kind_only_counts(world: World) -> None:
    shop = Store(world, a_member())

    await shop.tell("order_placed", store.OrderPlaced(earning_amount=1_000))
    taken = await shop.tell("invoice_paid", store.InvoicePaid(invoice_id="inv_1"))

    assert taken
    assert await world.lines(shop.order) == ["start"]
