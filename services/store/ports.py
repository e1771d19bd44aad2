"""What the store asks of other contexts."""

from typing import Protocol

from services.store.models import Address, View


class Orderer(View):
    """The orderer's own data, copied into an order (SK-24)."""

    name: str
    kana: str
    phone: str
    email: str
    address: Address


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
