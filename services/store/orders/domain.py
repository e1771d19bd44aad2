"""Orders: on their way to the customer, or cancelled with everything back (ST-34, ST-35, SK-28)."""

from __future__ import annotations

from datetime import date, datetime

from services.chassis.caller import Caller
from services.chassis.errors import Kind, NotFound, RuumError
from services.chassis.events import Event, ProcessLine
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.jst import BusinessCalendar
from services.chassis.pages import Listed, Page
from services.store.cards import repository as cards
from services.store.coupons import repository as coupons
from services.store.intents import repository as calls
from services.store.intents.domain import Intents, PartnerSilent
from services.store.intents.models import Change
from services.store.orders import repository
from services.store.orders.models import (
    CANCELLABLE,
    KEY_FLOW,
    ON_ITS_WAY,
    PLACING,
    UNDISPATCHED,
    UNPLACED,
    Order,
    OrderChanges,
    OrderState,
    OrderView,
    Promise,
)
from services.store.settings import Rules

PAYMENT_CHANGED = "payment_changed"
PROCESSES = {KEY_FLOW: "sparekey-order"}
"""The process of an order, by the flow that owns what is sold."""


class OrderCancelled(Event):
    order_id: str
    reason: str


class OrderDispatched(Event):
    order_id: str
    dispatched_at: datetime


class OrderDelivered(Event):
    order_id: str
    delivered_at: datetime


class OrderClosed(Event):
    order_id: str
    unclaimed: bool


class DispatchPromised(Event):
    order_id: str
    promised_on: date


class MeansWanted(Event):
    order_id: str
    decline_code: str


class OrderBeingPlaced(RuumError):
    """Another try is under way, perhaps in another tab."""

    kind = Kind.REFUSED
    code = "order-being-placed"


class OrderAlreadyPlaced(RuumError):
    """It was placed, and perhaps cancelled since: it is no checkout any more."""

    kind = Kind.REFUSED
    code = "order-already-placed"


class OrderNotPlaced(RuumError):
    """It is a checkout still, or is being placed."""

    kind = Kind.REFUSED
    code = "order-not-placed"


class OrderOver(RuumError):
    """It is cancelled, or is being, or has come so far that this is no longer possible."""

    kind = Kind.REFUSED
    code = "order-over"


class MoneyNotReturned(RuumError):
    """The partner refuses to give the money back: it goes by bank transfer (ST-27)."""

    kind = Kind.REFUSED
    code = "money-not-returned"


class CancelOrder(Command):
    order_id: str
    reason: str


class ConcludeCancelling(Command):
    order_id: str


class MarkOrder(Command):
    order_id: str
    state: OrderState
    happened_at: datetime | None = None
    unclaimed: bool = False


class PromiseDispatch(Command):
    order_id: str
    business_days: int


class Orders(Verbs):
    """Placed orders: shown, marked on their way, promised anew, cancelled."""

    def __init__(self, commands: Commands, intents: Intents, calendar: BusinessCalendar, rules: Rules) -> None:
        self.commands = commands
        self._intents = intents
        self._calendar = calendar
        self._rules = rules

    async def get(self, caller: Caller, order_id: str) -> OrderView:
        """An order as it stands; a member's own only (PR-15).

        Raises:
            NotFound: no such order, or another member's.
        """
        async with self.commands.database.reading() as session:
            order = await repository.get(session, order_id)
            if order is None or (caller.role == "member" and order.member_id != caller.name):
                raise NotFound
            return await repository.view(session, order, self._rules)

    async def listed(self, caller: Caller, page: Page) -> Listed[OrderView]:
        """The orders that the member placed, newest first (ST-35)."""
        async with self.commands.database.reading() as session:
            found = await repository.placed_by(session, caller.name, page)
            listed = page.listed(found, lambda order: (order.placed_at, order.order_id))  # type: ignore[arg-type,return-value]  # all were placed
            return Listed(await repository.views(session, listed.items, self._rules), listed.next_cursor)

    @command
    async def mark(self, work: Work, asked: MarkOrder) -> OrderView:
        """The order moved; what repeats or comes late changes nothing.

        Raises:
            NotFound: no such order.
            OrderNotPlaced: it is not placed.
            OrderOver: it is cancelled, or is being.
        """
        at = asked.happened_at or work.now
        earlier = ON_ITS_WAY[: ON_ITS_WAY.index(asked.state)]
        moved = await repository.move(work.tx, asked.order_id, earlier, _reached(asked, at))
        if moved is None:
            return await self._as_it_stands(work, asked.order_id, ON_ITS_WAY)
        match asked.state:
            case "dispatched":
                work.tell(OrderDispatched(**moved.ids, dispatched_at=at))
            case "delivered":
                work.tell(OrderDelivered(**moved.ids, delivered_at=at))
            case "closed":
                work.tell(OrderClosed(**moved.ids, unclaimed=asked.unclaimed))
        return await repository.view(work.tx, moved, self._rules)

    @command
    async def promise_dispatch(self, work: Work, asked: PromiseDispatch) -> OrderView:
        """Another day of dispatch is promised, so many business days from now; it is told when it moved (SK-28).

        Raises:
            NotFound: no such order.
            OrderNotPlaced: it is not placed.
            OrderOver: it was dispatched, or is cancelled.
        """
        promise = Promise.of(self._calendar, work.now, asked.business_days)
        moved = await repository.promise_anew(work.tx, asked.order_id, promise)
        if moved is None:
            return await self._as_it_stands(work, asked.order_id, UNDISPATCHED)
        work.tell(DispatchPromised(**moved.ids, promised_on=promise.promised_on))
        return await repository.view(work.tx, moved, self._rules)

    async def cancel(self, caller: Caller, asked: CancelOrder) -> OrderView:
        """Everything back: money, coupon, credit; answered once all of it is confirmed (SK-13, ST-34).

        Until then the order is being cancelled, and the same request goes on where it was.

        Raises:
            NotFound: no such order.
            OrderNotPlaced: it is not placed: nothing is to be cancelled.
            OrderOver: it has been delivered or closed.
            PartnerSilent: a partner has not confirmed yet.
            MoneyNotReturned: a partner refuses: a person has to pay it back.
        """
        await self._begin_cancelling(caller, asked)
        await self._intents.bring_back(asked.order_id)
        concluded = ConcludeCancelling(request_id=asked.request_id, as_of=asked.as_of, order_id=asked.order_id)
        return await self._conclude_cancelling(caller, concluded)

    @command
    async def _begin_cancelling(self, work: Work, asked: CancelOrder) -> None:
        moved = await repository.move(
            work.tx, asked.order_id, CANCELLABLE, {"state": "cancelling", "cancel_reason": asked.reason}
        )
        if moved is None:
            # Asked again: it goes on where it was, unless it cannot be cancelled at all.
            await self._as_it_stands(work, asked.order_id, ("cancelling", "cancelled"))
        await self._intents.unwant(work, asked.order_id)
        await self._finish_cancelling(work, asked.order_id)

    @command
    async def _conclude_cancelling(self, work: Work, asked: ConcludeCancelling) -> OrderView:
        order = await repository.get(work.tx, asked.order_id)
        if order is None:
            raise NotFound
        if order.state != "cancelled":
            raise MoneyNotReturned if await repository.is_stuck(work.tx, asked.order_id) else PartnerSilent
        return await repository.view(work.tx, order, self._rules)

    async def _finish_cancelling(self, work: Work, order_id: str) -> None:
        cancelled = await repository.finish_cancelling(work.tx, order_id, work.now)
        if cancelled is None:
            return
        await coupons.undo(work.tx, order_id, work.now)
        await calls.forget_cards(work.tx, order_id, work.now)
        work.tell(OrderCancelled(**cancelled.ids, reason=cancelled.cancel_reason))

    async def follow(self, work: Work, change: Change) -> None:
        """What a change of its payment does to an order, in the same transaction."""
        payment, order = change.payment, change.order
        order_id = order.order_id
        if payment.state == "requires-action" and change.was != "requires-action":
            await repository.wait_for_payer(work.tx, order_id, payment.payment_id)
        if payment.ended:
            await self._finish_cancelling(work, order_id)
        if not change.is_news or order.payment_id != payment.payment_id:
            return
        await self._follow_card(work, order, change)
        if order.state in UNDISPATCHED and change.newly_declined and _had_been_good(change):
            work.tell(MeansWanted(**order.ids, decline_code=payment.decline_code))
        # The process has the answer to its own call; of what anybody else brought about it is told.
        if work.caller.name != "worker" and order.state in {*PLACING, *ON_ITS_WAY}:
            work.run(ProcessLine(process=PROCESSES[order.flow], key=order_id, action=PAYMENT_CHANGED))

    async def _follow_card(self, work: Work, order: Order, change: Change) -> None:
        """A card is kept, when it is to be, with the order's payment; else it is forgotten once that is done."""
        payment = change.payment
        if order.state in UNPLACED or payment.card_id is None:
            return
        if payment.state == "authorised" and order.keep_card:
            await cards.keep(work.tx, payment.card_id, work.now)
        if payment.state in {"captured", "refunded"}:
            await calls.forget_cards(work.tx, order.order_id, work.now)

    async def _as_it_stands(self, work: Work, order_id: str, states: tuple[OrderState, ...]) -> OrderView:
        """The order where it is in one of these states; else why it cannot be moved."""
        order = await repository.get(work.tx, order_id)
        if order is None:
            raise NotFound
        if order.state in UNPLACED:
            raise OrderNotPlaced
        if order.state not in states:
            raise OrderOver
        return await repository.view(work.tx, order, self._rules)


def _reached(asked: MarkOrder, at: datetime) -> OrderChanges:
    """The state that the order has come to, and since when."""
    match asked.state:
        case "dispatched":
            return {"state": "dispatched", "dispatched_at": at}
        case "delivered":
            return {"state": "delivered", "delivered_at": at}
        case "closed":
            return {"state": "closed", "closed_at": at, "unclaimed": asked.unclaimed}
    return {"state": asked.state}


def _had_been_good(change: Change) -> bool:
    """A promise that was there and is not: not renewed, not captured, or refused after a review (SK-38, ST-26).

    A promise that merely lapsed is asked for anew first.
    """
    return change.reply.step in {"renew", "capture"} or change.was == "on-hold"
