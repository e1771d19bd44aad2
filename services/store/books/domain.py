"""The books of the store beside those of its partners, for whoever compares them (OP-06)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from services.chassis.db import Database
from services.chassis.pages import Page
from services.chassis.partners import OutcomeUnknown
from services.store.books import repository
from services.store.intents import repository as calls
from services.store.intents.domain import Intents
from services.store.models import View
from services.store.orders import repository as orders
from services.store.orders.models import OrderView
from services.store.payments import repository as payments
from services.store.payments.models import Payment, Shown, Standing
from services.store.settings import Rules

_LOOKED_UP_AT_ONCE = 8


class Book(View):
    """One order's money: ours in sums over all its payments, the partner's word on the one that counts.

    Attributes:
        authorised: yen; so are `captured` and `refunded`.
        open_intents: calls to partners without an outcome.
        partner_state: `unknown` when the partner does not say, or knows of no such payment.
        left_behind: yen that payments which no longer count still hold or keep (ST-34).
    """

    order: OrderView
    authorised: int
    captured: int
    refunded: int
    open_intents: int
    partner_state: Shown
    left_behind: int


class Differing(View):
    """A sum that is not that of its rows: which kind, and whose."""

    kind: str
    of: str


class ListedBooks(View):
    """`differing`: sums of the whole store, on the last page."""

    books: tuple[Book, ...]
    next_cursor: str
    differing: tuple[Differing, ...] = ()


@dataclass
class _Look:
    """One page's questions to partners; one that was silent is not asked again, or the page would come too late."""

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LOOKED_UP_AT_ONCE))
    silent: set[str] = field(default_factory=set)


class Books:
    def __init__(self, database: Database, intents: Intents, rules: Rules) -> None:
        self._database = database
        self._intents = intents
        self._rules = rules

    async def listed(self, page: Page) -> ListedBooks:
        """Orders that ever asked for a payment, oldest first."""
        async with self._database.reading() as session:
            shown = page.listed(await orders.with_money(session, page), lambda order: (order.order_id,))
            views = await orders.views(session, shown.items, self._rules)
            ids = [view.order_id for view in views]
            open_intents = await calls.open_intents(session, ids)
            by_order: dict[str, list[Payment]] = defaultdict(list)
            for payment in await payments.of_orders(session, ids):
                by_order[payment.order_id].append(payment)
        look = _Look()
        states = await asyncio.gather(*(self._partner_state(view, look) for view in views))
        left = await asyncio.gather(*(self._left_behind(view, by_order[view.order_id], look) for view in views))
        books = [
            Book(
                order=view,
                authorised=sum(payment.authorised for payment in by_order[view.order_id]),
                captured=sum(payment.captured for payment in by_order[view.order_id]),
                refunded=sum(payment.refunded for payment in by_order[view.order_id]),
                open_intents=open_intents.get(view.order_id, 0),
                partner_state=state,
                left_behind=yen,
            )
            for view, state, yen in zip(views, states, left, strict=True)
        ]
        differing = () if shown.next_cursor else await self.differing()
        return ListedBooks(books=tuple(books), next_cursor=shown.next_cursor, differing=differing)

    async def differing(self) -> tuple[Differing, ...]:
        """Credit and coupons whose sums are not those of their rows: none, ever (ST-12, ST-24)."""
        async with self._database.reading() as session:
            return tuple(Differing.model_validate(row) for row in await repository.differing(session))

    async def _partner_state(self, view: OrderView, look: _Look) -> Shown:
        if view.payment is None or view.payment.means == "none":
            return "none-needed"
        said = await self._said(view.payment.payment_id, look)
        if said is None:
            return "unknown"
        return "refunded" if said.captured and said.refunded == said.captured else said.state

    async def _left_behind(self, view: OrderView, all_payments: list[Payment], look: _Look) -> int:
        """Looks at those only that were given up: one that another is to replace still counts until then."""
        counts = view.payment.payment_id if view.payment else ""
        yen = 0
        for payment in all_payments:
            given_up = payment.unwanted_at is not None or payment.ended
            if payment.payment_id != counts and payment.means != "none" and given_up:
                yen += (await self._said(payment.payment_id, look) or payment).kept
        return yen

    async def _said(self, payment_id: str, look: _Look) -> Standing | None:
        """The partner's word; nothing when it does not say, or knows of no such payment."""
        async with look.places, self._database.reading() as session:
            call = await calls.look_up_call(session, payment_id)
        if call is None:
            return None
        async with look.places:
            if call.means in look.silent:
                return None
            try:
                return await self._intents.look_up(call)
            except OutcomeUnknown as unknown:
                if not unknown.answered:
                    look.silent.add(call.means)
                return None
