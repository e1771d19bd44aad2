"""Orders on bad days: answers lost after acceptance, look-ups that are late or down, everybody asking at random.

Whatever happened, once the partners are well again nothing was charged twice, nothing is lost, and the store's books
are the partners' (ST-21). `PAYMENT_RUNS=1000 pytest tests/store/test_payment_runs.py` is the full promise.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from random import Random

import pytest

from services.chassis.errors import RuumError
from services.store.invoices.domain import IssueInvoice
from services.store.models import Means
from services.store.orders.models import OrderState
from services.store.payments.domain import ChangeMeans, PayerReturned
from services.store.payments.models import Payment
from tests.store.partner import Account, SimulatedPartner, shuffled_faults
from tests.store.world import WORKER, World, as_member, new_member, request_id

RUNS = int(os.environ.get("PAYMENT_RUNS", "30"))
STEPS = 20
SETTLED = timedelta(minutes=11)
OPEN_AGAIN: tuple[OrderState, ...] = ("checkout", "cancelled")


class BadDay:
    """One member, one order, and chance."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = Random(seed)
        self.member = new_member()
        self.partners: dict[Means, SimulatedPartner] = {
            "card": world.card,
            "deferred": world.deferred,
            "epos": world.epos,
        }
        self.order_id = ""
        self.attempt = 0
        self.code = ""

    async def run(self) -> None:
        self.code = await self.world.coupon(uses_total=3, uses_per_member=3)
        means = self.random.choice(list(self.partners))
        self.view = await self.world.ready(self.member, means, coupon_code=self.code, keep_card=False)
        self.order_id = self.view.order_id
        for _ in range(STEPS):
            try:
                await self.random.choice(await self.possible())()
            except RuumError:
                continue  # refused, or nobody knows yet: the next one asks again

    async def possible(self) -> Sequence[Callable[[], Awaitable[object]]]:
        """What may well happen now, and sometimes what should not."""
        chance = [
            self.misfortune,
            self.misfortune,
            self.passing_of_time,
            self.passing_of_time,
            self.sweep,
            self.message,
        ]
        ways = {
            "checkout": [self.begin],
            "placing": [self.authorise, self.authorise, self.confirm, self.confirm, self.abandon],
            "awaiting-payer": [
                self.payer_decides,
                self.payer_decides,
                self.payer_returns,
                self.authorise,
                self.confirm,
            ],
            "placed": [self.ensure, self.capture, self.invoice, self.cancel, self.change_means, self.payer_decides],
            "cancelling": [self.cancel],
            "cancelled": [self.capture, self.ensure, self.authorise, self.confirm, self.abandon],
        }
        state = (await self.world.row(self.order_id)).state
        if self.random.random() < 0.4:
            return chance
        return ways[state] if self.random.random() < 0.9 else ways["placed"] + ways["cancelled"]

    async def begin(self) -> None:
        self.attempt += 1
        await self.world.begun(self.view, attempt=self.attempt)

    async def authorise(self) -> None:
        await self.world.authorised(self.order_id, attempt=self.attempt)

    async def confirm(self) -> None:
        await self.world.confirmed(self.order_id, attempt=self.attempt)

    async def abandon(self) -> None:
        await self.world.abandoned(self.order_id, attempt=self.attempt)

    async def capture(self) -> None:
        await self.world.captured(self.order_id)

    async def ensure(self) -> None:
        await self.world.ensured(self.order_id)

    async def cancel(self) -> None:
        await self.world.cancelled(self.order_id)

    async def invoice(self) -> None:
        await self.world.store.invoices.issue(WORKER, IssueInvoice(request_id=request_id(), order_id=self.order_id))

    async def change_means(self) -> None:
        asked = ChangeMeans(
            request_id=request_id(),
            order_id=self.order_id,
            means=self.random.choice(list(self.partners)),
            card_id=request_id().replace("req", "pm"),
        )
        await self.world.store.payments.change_means(as_member(self.member), asked)

    async def payer_returns(self) -> None:
        asked = PayerReturned(request_id=request_id(), order_id=self.order_id)
        await self.world.store.payments.payer_returned(as_member(self.member), asked)

    async def payer_decides(self) -> None:
        for account in self.accounts():
            if account.state in {"requires-action", "on-hold"}:
                account.state = self.random.choice(["authorised", "authorised", "declined"])
                account.decline_code = "epos-declined" if account.state == "declined" else ""

    async def message(self) -> None:
        await self.world.card_webhook(self.order_id)

    async def sweep(self) -> None:
        await self.world.swept()

    async def passing_of_time(self) -> None:
        units = [timedelta(seconds=7), timedelta(minutes=1), timedelta(minutes=9), timedelta(days=3)]
        self.world.clock.advance(self.random.choice(units))

    async def misfortune(self) -> None:
        partner = self.random.choice(list(self.partners.values()))
        partner.faults.calls = shuffled_faults(self.random, 3)
        partner.faults.down = self.random.random() < 0.3
        partner.faults.late = timedelta(minutes=self.random.choice([0, 0, 2, 8]))
        partner.next_result = self.random.choice([None, None, None, None, "declined", "requires-action", "on-hold"])

    def accounts(self) -> list[Account]:
        return [account for partner in self.partners.values() for account in partner.accounts.values()]

    async def heal(self) -> None:
        """The partners are well again; the sweep runs, and whoever had wanted to cancel asks once more."""
        for partner in self.partners.values():
            partner.faults.calls.clear()
            partner.faults.down = False
            partner.faults.late = timedelta()
            for account in partner.accounts.values():
                account.visible_at = self.world.clock.now()
        for _ in range(4):
            self.world.clock.advance(SETTLED)
            await self.world.swept()
        for ordinal in range(1, len(await self.world.payments(self.order_id)) + 1):
            await self.world.webhook("epos", self.order_id, ordinal=ordinal)
        if (await self.world.row(self.order_id)).state == "cancelling":
            await self.world.cancelled(self.order_id)
        self.world.clock.advance(SETTLED)
        await self.world.swept()


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize("seed", range(RUNS))
async def test_nothing_is_charged_twice_and_nothing_is_lost(world: World, seed: int) -> None:
    day = BadDay(world, seed)

    await day.run()
    await day.heal()

    order = await world.row(day.order_id)
    payments = {payment.merchant_ref: payment for payment in await world.payments(day.order_id)}
    accounts = day.accounts()
    assert {account.merchant_ref for account in accounts} <= set(payments), "the partner has what we do not know of"
    for account in accounts:
        agree(payments[account.merchant_ref], account)
    kept = [account for account in accounts if account.live]
    assert len(kept) <= 1, "something is held twice"
    assert sum(account.captured - account.refunded for account in accounts) in {0, order.due}
    if order.state in OPEN_AGAIN:
        assert kept == []
    for account in kept:
        assert payments[account.merchant_ref].payment_id == order.payment_id
    assert await world.scalar("select count(*) from intents where done_at is null") == 0
    await free(world, day, list(payments.values()), placed=order.state not in OPEN_AGAIN)


def agree(payment: Payment, account: Account) -> None:
    """Our books of one payment and the partner's."""
    assert (payment.captured, payment.refunded) == (account.captured, account.refunded)
    assert payment.ended != (account.live or account.state == "requires-action"), (payment.state, account.state)


async def free(world: World, day: BadDay, payments: list[Payment], *, placed: bool) -> None:
    """Coupon and credit are taken by what stands, and by nothing else."""
    owed = await world.scalar("select outstanding from credits where member_id = :m", m=day.member) or 0
    assert owed == sum(payment.amount for payment in payments if payment.means == "deferred" and not payment.ended)
    assert await world.scalar("select used from coupons where code = :c", c=day.code) == int(placed)
