"""What the store asks of other contexts, and what no partner can be relied on to say."""

from typing import Protocol

from services.store.models import Orderer


class OutcomeUnknown(Exception):
    """The partner may or may not have done it: time passed, the connection broke, or it failed inside.

    Args:
        answered: the partner did answer, with a failure of its own, so that nothing is under way any longer.
    """

    def __init__(self, *, answered: bool) -> None:
        super().__init__("answered" if answered else "silent")
        self.answered = answered


class Orderers(Protocol):
    async def orderer(self, member_id: str) -> Orderer:
        """Who orders.

        Raises:
            Unavailable: identity cannot be reached.
        """


class Balances(Protocol):
    async def available(self, member_id: str) -> int:
        """Points that the member may spend now (PT-20).

        Raises:
            Unavailable: the ledger cannot be reached.
        """
