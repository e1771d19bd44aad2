"""Half an hour at the partner's page: payer against timer, decided by the real store (ST-21, PR-06)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from deploy.local.postgres import Postgres
from services.chassis.ids import new_id
from services.sparekey.ports import Placing
from services.sparekey.processes import KeyProcesses
from services.store.payments.domain import PayerReturned
from tests.store.world import World, as_member, new_member, request_id
from tests.support.callers import Keys
from tests.support.contexts import migrated
from tests.support.waiting import until
from tests.workflows.door import Moment, ended, forward, leads, real_store
from tests.workflows.sparekey_order.fakes import Services
from workflows.money import contract as money
from workflows.money.activities import MoneyActivities
from workflows.money.contract import OrderStep, Payment
from workflows.sparekey_order import contract as steps
from workflows.worker import activities_of, build

HALF_AN_HOUR = timedelta(minutes=30)
A_SECOND = timedelta(seconds=1)
AN_INSTANT = timedelta(microseconds=1)
AGREED, TOO_LATE = ("authorised", ""), ("declined", "payer-too-late")
RUNS = 20


class Till(MoneyActivities):
    """Production's steps on the store; a payment that is asked about again waits at the door for the test."""

    def __init__(self, store: Any) -> None:
        # The orders here spend no points: nothing asks for them.
        super().__init__(store, points=None)  # type: ignore[arg-type]  # see above
        self.moments: dict[str, Moment] = defaultdict(Moment)

    @activity.defn(name=money.AUTHORISE.name)
    async def authorise(self, given: OrderStep) -> Payment:
        if "/n=" not in given.request_id:
            return await super().authorise(given)
        return await self.moments[given.order_id].passes(given, super().authorise)


@dataclass
class Payer:
    """One order whose payer is at the partner's page."""

    counter: Counter
    member: str
    order_id: str
    until: datetime

    @property
    def moment(self) -> Moment:
        return self.counter.till.moments[self.order_id]

    async def forward_to(self, instant: datetime) -> None:
        handle = self.counter.client.get_workflow_handle(steps.workflow_id(self.order_id))
        await forward(self.counter.skipper, handle, instant)

    async def comes_back(self, late_by: float = 0) -> tuple[str, str]:
        """What whoever comes back is told: the payment's state, and why it does not count."""
        await asyncio.sleep(late_by)
        back = PayerReturned(request_id=request_id(), order_id=self.order_id)
        told = await self.counter.world.store.payments.payer_returned(as_member(self.member), back)
        return told.state, told.decline_code

    async def bring(self) -> None:
        """What the relay does: the store's words reach a process that runs."""
        if "payment_changed" in await self.counter.world.told(self.order_id):
            handle = self.counter.client.get_workflow_handle(steps.workflow_id(self.order_id))
            async with ended():
                await handle.signal(steps.PAYMENT_CHANGED)

    async def order_is(self, state: str) -> None:
        async def so() -> bool:
            return (await self.counter.world.order(self.order_id)).state == state

        await until(so)

    async def money_is_held(self) -> bool:
        """By the partner's own books, once everything that has to come back is back."""
        (payment,) = await self.counter.world.payments(self.order_id)
        await self.counter.world.store.intents.pursue(payment.payment_id)
        return self.counter.world.epos.account(self.order_id).live


class Counter:
    """The real store, the processes on the real server, and a spare-key service that only nods."""

    def __init__(self, world: World, client: Client, till: Till) -> None:
        self.world, self.client, self.till = world, client, till
        self.skipper = TimeSkipper(client)
        self.payers: list[Payer] = []

    async def awaiting(self) -> Payer:
        """An order whose payer has agreed at the partner's page and is on the way back."""
        member = new_member()
        view = await self.world.ready(member, "epos")
        placing = Placing(
            order_id=view.order_id,
            member_id=member,
            room_id=new_id("room"),
            attempt=1,
            snapshot_hash=(await self.world.snapshot(view)).snapshot_hash,
            terms_version="t1",
            cancellation_version="c1",
        )
        answer = await KeyProcesses(self.client, self.world.clock, 7).place(placing, timedelta(seconds=20))
        assert answer.outcome == "requires-action"
        assert answer.action_until is not None
        self.world.epos.decide(view.order_id, "authorised")
        payer = Payer(self, member, view.order_id, answer.action_until)
        self.payers.append(payer)
        return payer


@pytest.fixture
async def counter(postgres: Postgres, keys: Keys, dev: Client) -> AsyncIterator[Counter]:
    services = Services()
    services.answers[steps.CONFIRM.name] = steps.Case(version=2, state="stopped")
    services.answers[steps.ABANDON.name] = steps.Case(version=2, state="draft")
    async with migrated(postgres, "store") as database, real_store(database, keys) as (world, store):
        till = Till(store)
        here = Counter(world, dev, till)
        async with build(dev, [*activities_of(till), *services.of_case()]):
            yield here
            for payer in here.payers:
                payer.moment.open.set()
                async with ended():
                    await dev.get_workflow_handle(steps.workflow_id(payer.order_id)).terminate()


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize("seconds", [-1, 0, 1])
async def test_whoever_is_back_within_half_an_hour_has_ordered_and_whoever_is_later_has_paid_nothing(
    counter: Counter, seconds: int
) -> None:
    payer = await counter.awaiting()
    instant = payer.until + seconds * A_SECOND

    await payer.forward_to(instant)
    counter.world.clock.advance(instant - counter.world.clock.now())
    if seconds >= 0:
        await payer.moment.timer_asks()
    if seconds > 0:
        payer.moment.open.set()
        await payer.order_is("checkout")
    told = await payer.comes_back()
    payer.moment.open.set()
    await asyncio.gather(payer.bring(), payer.forward_to(payer.until + A_SECOND))

    await payer.order_is("placed" if seconds < 0 else "checkout")
    assert told == (AGREED if seconds < 0 else TOO_LATE)
    assert await payer.money_is_held() is (seconds < 0)
    assert seconds < 0 or payer.moment.instants[0] >= payer.until


async def races(payer: Payer, lead: float) -> bool:
    """Payer and timer reach the store together. Whether the order was placed."""
    await payer.forward_to(payer.until)
    await payer.moment.timer_asks()
    payer.moment.late_by = max(lead, 0)
    payer.moment.open.set()
    told = await payer.comes_back(late_by=max(-lead, 0))
    await payer.bring()
    assert told in {AGREED, TOO_LATE}
    placed = told == AGREED
    await payer.order_is("placed" if placed else "checkout")
    assert await payer.money_is_held() is placed
    return placed


@pytest.mark.rule("PR-06")
async def test_of_payer_and_timer_at_the_last_instant_either_may_win_and_money_and_order_agree(
    counter: Counter,
) -> None:
    payers = await asyncio.gather(*(counter.awaiting() for _ in range(RUNS)))
    until_last = min(payer.until for payer in payers)
    counter.world.clock.advance(until_last - AN_INSTANT - counter.world.clock.now())

    placed = await asyncio.gather(*(races(payer, lead) for payer, lead in zip(payers, leads(RUNS), strict=True)))

    assert set(placed) == {True, False}
