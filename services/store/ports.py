"""What the store asks of other contexts."""

from typing import Protocol

from services.store.models import Orderer


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
