"""A member's orders as their pages show them (SK-40)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.chassis.caller import Caller
from services.chassis.errors import AWAY, NotFound
from services.chassis.idempotency import Commands
from services.chassis.pages import Listed, Page
from services.sparekey.cases.models import Case
from services.sparekey.cases.waiting import Waiting
from services.sparekey.members.domain import own
from services.sparekey.members.models import Action, Outlook, Situation, outlook
from services.sparekey.numbers.domain import Vault
from services.sparekey.orders import repository
from services.sparekey.orders.repository import Line, Row
from services.sparekey.ports import Order, Rooms, Store


@dataclass(frozen=True)
class KeyOrder:
    """An order as its member sees it.

    Attributes:
        key_number_masked: all but its last two hidden.
        order: the store's part; nothing in lists, and while the store is silent.
        wish_dates_offered: days that may be chosen now.
        redelivery_charge: yen, on delivery.
    """

    case: Case
    key_number_masked: str
    timeline: Sequence[Line]
    outlook: Outlook
    order: Order | None
    wish_dates_offered: Sequence[date]
    redelivery_charge: int


class Orders:
    """A member's own orders, from our database; what neighbours add is left out while they are silent (RM-05)."""

    def __init__(self, commands: Commands, vault: Vault, rooms: Rooms, store: Store, waiting: Waiting) -> None:
        self._database = commands.database
        self._clock = commands.clock
        self._vault = vault
        self._rooms = rooms
        self._store = store
        self._waiting = waiting

    async def get(self, caller: Caller, order_id: str) -> KeyOrder:
        """One order.

        Raises:
            NotFound: there is none, or it is another's (PR-15).
        """
        async with self._database.reading() as session:
            row = await repository.one(session, order_id)
        if row is None:
            raise NotFound
        case = own(row[0], caller)
        resident, order = await asyncio.gather(self._rooms.resides(case.member_id, case.room_id), self._order(order_id))
        return self._seen(row, resident=resident, order=order)

    async def list(self, caller: Caller, page: Page) -> Listed[KeyOrder]:
        """Orders, newest first (PR-16)."""
        async with self._database.reading() as session:
            rows = await repository.of_member(session, caller.name, page)
        listed = page.listed(rows, lambda row: (row[0].order_id,))
        rooms = sorted({case.room_id for case, _, _ in listed.items})
        answers = await asyncio.gather(*(self._rooms.resides(caller.name, room_id) for room_id in rooms))
        resides = dict(zip(rooms, answers, strict=True))
        return listed.map(lambda row: self._seen(row, resident=resides[row[0].room_id], order=None))

    def _seen(self, row: Row, *, resident: bool, order: Order | None) -> KeyOrder:
        case, number, story = row
        now = self._clock.now()
        given = Situation(
            now=now,
            resident=resident,
            means_wanted=order is not None and order.means_wanted,
            payer_awaited_until=order.payer_awaited_until if order else None,
            promised_on=order.promised_on if order else None,
        )
        seen = outlook(case, given)
        wishes = self._waiting.wishes(now) if Action.CHOOSE_WISH_DATE in seen.actions else []
        charge = self._waiting.rules.redelivery_charge
        return KeyOrder(case, self._vault.mask(number), story, seen, order, wishes, charge)

    async def _order(self, order_id: str) -> Order | None:
        try:
            return await self._store.order(order_id)
        except AWAY:
            return None
