"""What is asked of whoever keeps members' cards (ST-22)."""

from typing import Protocol

from services.store.cards.models import CardFacts


class Vault(Protocol):
    """The processor's safe. Raises `OutcomeUnknown` where it does not say what became of a call."""

    async def describe(self, token: str) -> CardFacts | None:
        """What a token of the processor's form stands for; None when it knows none such."""

    async def customer(self, member_id: str) -> str:
        """The reference under which a member's cards are kept; asked twice it is the same."""

    async def detach(self, card_ref: str) -> None:
        """Forgets a card; one that is forgotten already stays so."""
