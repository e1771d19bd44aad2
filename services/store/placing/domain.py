"""Placing an order: frozen as it was confirmed, placed once its payment is good, or undone (SK-26, ST-14, ST-23)."""

from __future__ import annotations

from services.chassis.caller import Caller
from services.chassis.errors import Kind, NotFound, RuumError
from services.chassis.events import Event
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.jst import BusinessCalendar, jst_date
from services.store.cards import repository as cards
from services.store.checkout import repository as checkouts
from services.store.checkout.models import Basket, Facts, digest
from services.store.coupons import repository as coupons
from services.store.coupons.models import Redemption
from services.store.intents.domain import Intents
from services.store.models import Means, View
from services.store.orders import repository
from services.store.orders.domain import OrderAlreadyPlaced, OrderBeingPlaced
from services.store.orders.models import PLACING, Order, OrderView, Promise
from services.store.payments.domain import AttemptOver
from services.store.payments.models import GOOD
from services.store.settings import Rules
from services.store.sums.models import SHIPPING_PART, Bill


class OrderPlaced(Event):
    order_id: str
    earning_amount: int
    flow: str


class OrderChanged(RuumError):
    """What was confirmed is no longer what would be ordered: a price, the address, a coupon or a choice (SK-26)."""

    kind = Kind.REFUSED
    code = "order-changed"


class AttemptWasBegun(RuumError):
    """A try of placing is begun once."""

    kind = Kind.REFUSED
    code = "attempt-was-begun"


class CouponTaken(RuumError):
    """Somebody used the coupon for the last time, or the member did, while this order was being placed."""

    kind = Kind.REFUSED
    code = "coupon-taken"


class PaymentNotGood(RuumError):
    """The partner has not agreed to the payment."""

    kind = Kind.REFUSED
    code = "payment-not-authorised"


class AttemptStep(Command):
    order_id: str
    attempt: int


class BeginPlacing(AttemptStep):
    snapshot_hash: str
    terms_version: str
    cancellation_version: str

    @property
    def ticked(self) -> dict[str, str]:
        return {"terms_version": self.terms_version, "cancellation_version": self.cancellation_version}


class ConfirmOrder(AttemptStep):
    dispatch_business_days: int


class AbandonPlacing(AttemptStep):
    reason: str


class PointsPart(View):
    line_id: str
    points: int


class Placing(View):
    """What was frozen: who pays how much by which means, and the parts of the points to be held (PT-24)."""

    order_id: str
    attempt: int
    member_id: str
    points: int
    points_parts: tuple[PointsPart, ...]
    due: int
    means: Means


class Placings(Verbs):
    """Takes a checkout through one try of placing: begun, then confirmed or abandoned, for the order's process."""

    def __init__(self, commands: Commands, intents: Intents, calendar: BusinessCalendar, rules: Rules) -> None:
        self.commands = commands
        self._intents = intents
        self._calendar = calendar
        self._rules = rules

    @command
    async def begin(self, work: Work, asked: BeginPlacing) -> Placing:
        """Freezes what was confirmed, redeems its coupon, and lets one of two tabs win (SK-26, ST-14).

        Raises:
            NotFound: no such order.
            AttemptWasBegun: this try was begun before.
            OrderBeingPlaced: another try is under way.
            OrderAlreadyPlaced: it is placed.
            OrderChanged: what was confirmed is not what would be ordered.
            CouponTaken: its coupon was used up in this very moment.
        """
        order, snapshot = await checkouts.confirmed(work.tx, asked.order_id, asked.snapshot_hash)
        if order is None:
            raise NotFound
        _check_open(order, asked.attempt)
        if snapshot is None:
            raise OrderChanged
        basket = await checkouts.basket(work.tx, order, jst_date(work.now), self._rules)
        bill = self._confirmed(asked, basket, Facts.model_validate_json(snapshot.facts))
        frozen = bill.totals.model_dump() | asked.ticked
        frozen |= {"snapshot_hash": asked.snapshot_hash, "shipping_points": bill.shipping_points}
        if not await repository.begin(work.tx, order, asked.attempt, frozen):
            raise OrderChanged
        await repository.freeze_lines(work.tx, bill.lines)
        if bill.totals.coupon:
            await self._redeem(work, order, asked.attempt, bill.totals.coupon)
        return _placing(order, asked.attempt, bill)

    def _confirmed(self, asked: BeginPlacing, basket: Basket, facts: Facts) -> Bill:
        """What the page that was confirmed comes to, where it would still look the same."""
        same_page = digest(basket.content(facts)) == asked.snapshot_hash
        # A flow that shows no terms of its own says nothing of them.
        same_terms = all(facts.flow_facts.get(name, version) == version for name, version in asked.ticked.items())
        if not same_page or not same_terms or basket.wish_has_passed(basket.expected_dispatch_on(self._calendar)):
            raise OrderChanged
        return basket.bill(facts.available)

    async def _redeem(self, work: Work, order: Order, attempt: int, amount: int) -> None:
        redemption = Redemption.make(
            order_id=order.order_id,
            attempt=attempt,
            code=order.coupon_code,
            member_id=order.member_id,
            amount=amount,
            redeemed_at=work.now,
        )
        if not await coupons.redeem(work.tx, redemption):
            raise CouponTaken

    @command
    async def confirm(self, work: Work, asked: ConfirmOrder) -> OrderView:
        """The order is placed, with a payment that is good, and its dispatch promised (SK-27, SK-28).

        Raises:
            NotFound: no such order.
            PaymentNotGood: nothing has been authorised.
            AttemptOver: this try is not under way.
        """
        paid = await repository.paid(work.tx, asked.order_id, locked=True)
        order, payment = paid or (await repository.get(work.tx, asked.order_id), None)
        if order is None:
            raise NotFound
        if order.attempt != asked.attempt or order.state not in PLACING:
            raise AttemptOver
        if payment is None or payment.state not in GOOD or payment.unwanted_at:
            raise PaymentNotGood
        promised = Promise.of(self._calendar, work.now, asked.dispatch_business_days)
        values = promised.model_dump() | {"placed_at": work.now}
        placed = await repository.confirm(work.tx, asked.order_id, asked.attempt, values)
        if placed is None:
            raise AttemptOver
        if placed.keep_card and payment.card_id:
            await cards.keep(work.tx, payment.card_id, work.now)
        work.tell(OrderPlaced(**placed.ids, earning_amount=placed.earning_amount, flow=placed.flow))
        return await repository.view(work.tx, placed, self._rules)

    async def abandon(self, caller: Caller, asked: AbandonPlacing) -> OrderView:
        """Undoes placing: whatever it took comes back, the checkout is open again (ST-23).

        A try that never began is over from now on, so that a late beginning is refused. What a partner does not
        give back at once is brought back by the sweep.

        Raises:
            NotFound: no such order.
            OrderAlreadyPlaced: this try succeeded; it is cancelled, not undone.
            OrderBeingPlaced: it moved in this very moment.
        """
        abandoned = await self._abandon(caller, asked)
        await self._intents.bring_back(asked.order_id)
        return abandoned

    @command
    async def _abandon(self, work: Work, asked: AbandonPlacing) -> OrderView:
        order = await repository.get(work.tx, asked.order_id)
        if order is None:
            raise NotFound
        under_way = order.state in PLACING
        if order.attempt == asked.attempt and not under_way and order.state != "checkout":
            raise OrderAlreadyPlaced
        left: Order | None = order
        if under_way and order.attempt == asked.attempt:
            left = await repository.reopen(work.tx, order)
            await coupons.undo(work.tx, order.order_id, work.now)
            await self._intents.unwant(work, order.order_id)
        elif order.state == "checkout" and order.attempt < asked.attempt:
            left = await repository.move(work.tx, order.order_id, ("checkout",), {"attempt": asked.attempt})
        if left is None:
            raise OrderBeingPlaced
        return await repository.view(work.tx, left, self._rules)


def _check_open(order: Order, attempt: int) -> None:
    """Whether this try may begin."""
    if order.state in PLACING and order.attempt != attempt:
        raise OrderBeingPlaced
    if order.state not in {"checkout", *PLACING}:
        raise OrderAlreadyPlaced
    if order.attempt >= attempt:
        raise AttemptWasBegun


def _placing(order: Order, attempt: int, bill: Bill) -> Placing:
    shares = {line.line_id: line.points_share for line in bill.lines} | {SHIPPING_PART: bill.shipping_points}
    means: Means = (order.means or "none") if bill.totals.due else "none"
    return Placing(
        order_id=order.order_id,
        attempt=attempt,
        member_id=order.member_id,
        points=bill.totals.points,
        points_parts=tuple(PointsPart(line_id=part, points=points) for part, points in shares.items() if points),
        due=bill.totals.due,
        means=means,
    )
