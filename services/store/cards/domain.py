"""Cards: given through the processor's form, kept when the member wants it (SK-18, ST-22)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.caller import Caller
from services.chassis.clock import Clock
from services.chassis.db import Database
from services.chassis.errors import Kind, RuumError, Unavailable
from services.chassis.ids import new_id
from services.chassis.pages import Listed, Page
from services.chassis.partners import OutcomeUnknown
from services.store.cards import repository
from services.store.cards.models import Card, CardView
from services.store.cards.ports import Vault

_TOKEN = "pm_"  # noqa: S105  # what the processor's tokens begin with


class CardUnknown(RuumError):
    """No card of this member's, and no token that the processor knows."""

    kind = Kind.INVALID
    code = "card-unknown"


@dataclass(frozen=True)
class Given:
    """A card that was given or chosen, and who the member is at the processor."""

    card: Card
    customer_ref: str


class Cards:
    def __init__(self, database: Database, clock: Clock, vault: Vault) -> None:
        self._database = database
        self._clock = clock
        self._vault = vault

    async def given(self, member_id: str, card_id: str) -> Given:
        """A kept card by its id, or a new one by the token of the processor's form.

        Raises:
            CardUnknown: it is neither.
            Unavailable: the processor cannot be asked now.
        """
        async with self._database.reading() as session:
            card = await repository.usable(session, member_id, card_id)
            customer = await repository.customer(session, member_id)
        if card is not None and customer is not None:
            return Given(card, customer)
        if not card_id.startswith(_TOKEN):
            raise CardUnknown(field="card_id")
        try:
            facts = await self._vault.describe(card_id)
            if facts is None:
                raise CardUnknown(field="card_id")
            customer = customer or await self._vault.customer(member_id)
        except OutcomeUnknown as silent:
            raise Unavailable from silent
        return Given(Card.of(facts, new_id("card"), member_id, self._clock.now()), customer)

    async def kept(self, caller: Caller, page: Page) -> Listed[CardView]:
        """The cards that the member keeps, newest first (SK-18)."""
        async with self._database.reading() as session:
            found = await repository.kept(session, caller.name, page)
        return page.listed(found, lambda card: (card.card_id,)).map(Card.view)


async def save(tx: AsyncSession, given: Given) -> Card:
    """Keeps what is known of a card that was given.

    Raises:
        CardUnknown: the token is another member's.
    """
    member_id = given.card.member_id
    await repository.add_customer(tx, member_id, given.customer_ref)
    await repository.add(tx, given.card)
    saved = await repository.usable(tx, member_id, given.card.processor_ref)
    if saved is None:
        raise CardUnknown(field="card_id")
    return saved
