"""What the domain asks of its neighbours, and of the key maker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, Protocol

from services.chassis.errors import Kind, RuumError, Unavailable
from services.sparekey.cases import models
from services.sparekey.numbers.models import KeyNumber

Address = Mapping[str, str]
"""Postal code, prefecture, city, street and building, by the names that contracts give them."""


def mark(address: Address) -> str:
    """A digest of an address, which tells whether two are the same. No secret: whoever guesses the address finds it."""
    return hashlib.sha256(json.dumps(dict(address), sort_keys=True).encode()).hexdigest()


class RoomRefuses(RuumError):
    """The member may not order keys for this room, or not now (SK-01, SK-05)."""

    kind = Kind.REFUSED
    code = "key-room-may-not-order"


class KindMayNot(RoomRefuses):
    code = "key-room-kind-may-not"


class LeaseNotBegun(RoomRefuses):
    code = "key-room-lease-not-begun"


class LeaseEnded(RoomRefuses):
    code = "key-room-lease-ended"


class ContractorLeft(RoomRefuses):
    code = "key-room-contractor-left"


class NotRegistered(RoomRefuses):
    """The room is not the member's: it has to be registered first (SK-01)."""

    code = "key-room-not-registered"


_REFUSALS: Mapping[str, type[RoomRefuses]] = {
    "kind-may-not": KindMayNot,
    "lease-not-begun": LeaseNotBegun,
    "lease-ended": LeaseEnded,
    "contractor-left": ContractorLeft,
    "not-registered": NotRegistered,
}


@dataclass(frozen=True)
class Permission:
    """Whether a member may order keys for a room now, and where that room is (RM-05, SK-05).

    Attributes:
        refusal: why not; `not-registered` for somebody who does not belong to the room.
        address: of the lease; only while it runs.
    """

    allowed: bool
    refusal: str = ""
    building_code: str = ""
    building_name: str = ""
    room_number: str = ""
    e_touch: bool = False
    lease_version: int = 0
    address: Address = field(default_factory=dict)

    @property
    def refused(self) -> RoomRefuses:
        """The refusal by its name."""
        return _REFUSALS.get(self.refusal, RoomRefuses)()

    def needed(self) -> Permission:
        """Itself, when it allows.

        Raises:
            RoomRefuses: by the name of the refusal.
        """
        if not self.allowed:
            raise self.refused
        return self


class Rooms(Protocol):
    async def may_order_keys(self, member_id: str, room_id: str) -> Permission:
        """Asks afresh.

        Raises:
            Unavailable: rooms cannot answer, so that nothing may be written.
        """

    async def resides(self, member_id: str, room_id: str) -> bool:
        """Whether the member may act for the room, for showing only: as lately answered; not when rooms is silent."""

    async def contractor(self, room_id: str) -> str:
        """The member who is the room's contractor; empty when none is registered (SK-02).

        Raises:
            Unavailable: rooms cannot answer.
        """


@dataclass(frozen=True)
class Product:
    """A key of the catalogue; `shown` is the store's own message, passed on as it is."""

    sku: str
    shown: Any


@dataclass(frozen=True)
class Checkout:
    order_id: str
    member_id: str
    wish_date: date | None
    shown: Any


@dataclass(frozen=True)
class Snapshot:
    hash: str
    checkout: Checkout


@dataclass(frozen=True)
class Order:
    """The order behind a case, as the store has it."""

    order_number: str
    wish_date: date | None
    promised_on: date | None
    recipient: Mapping[str, str]
    means_wanted: bool
    """The payment is neither held nor made: another means can be chosen (SK-38)."""
    payer_awaited_until: datetime | None
    shown: Any


class Store(Protocol):
    """The store's side of a key order.

    All raise `Unavailable` when the store cannot answer, and what it refuses by the name that it has there. A request
    id makes a repeat known, as everywhere (PR-10).
    """

    async def keys(self) -> list[Product]:
        """The keys of the catalogue."""

    async def open_checkout(
        self, request_id: str, member_id: str, room_id: str, sku: str, quantity: int, address: Address
    ) -> Checkout:
        """Opens the member's one checkout of keys, or changes what it holds (SK-17)."""

    async def checkout(self, order_id: str) -> Checkout: ...

    async def drop_checkout(self, request_id: str, order_id: str, member_id: str) -> None:
        """Takes it out of the cart (SK-22)."""

    async def snapshot(
        self,
        request_id: str,
        order_id: str,
        member_id: str,
        facts: Mapping[str, str],
        language: str,
        address: Address,
    ) -> Snapshot:
        """Freezes what the confirmation page shows, with `facts` of ours: ids, versions and digests (SK-26)."""

    async def order(self, order_id: str) -> Order:
        """The order as it stands."""


@dataclass(frozen=True)
class Destination:
    """Where a key goes: the lease's address, into the hands of the named person (SK-05, SK-24)."""

    recipient: Mapping[str, str]
    address: Address


class MakerAway(Unavailable):
    """The key maker cannot be reached, or does not say what it did (SK-15)."""

    code = "maker-away"


class MakerRefused(RuumError):
    """The key maker refuses, and would again: somebody has to look; `why` is its own code."""

    kind = Kind.REFUSED
    code = "maker-refused"


@dataclass(frozen=True)
class Ordered:
    """The keys as the maker is asked to make them."""

    kind: models.Kind
    quantity: int
    building_code: str


class Maker(Protocol):
    """The key maker's verbs; each call has a key, under which it is done once.

    All raise `MakerAway` when nobody knows whether it was done, `MakerRefused` when it was not.
    """

    async def check(self, key: str, order_id: str, number: KeyNumber, kind: models.Kind) -> str:
        """Has a number looked up. Returns the check's id; the answer comes by webhook."""

    async def order(self, key: str, order_id: str, number: KeyNumber, keys: Ordered, to: Destination) -> None: ...

    async def remake(self, key: str, order_id: str) -> None: ...

    async def release(self, key: str, order_id: str, to: Destination) -> None: ...

    async def redeliver(self, key: str, order_id: str, to: Destination, charge: int) -> None: ...

    async def stop(self, key: str, order_id: str) -> bool:
        """Nothing of the order leaves any more. Returns false when a carrier has the key already."""


@dataclass(frozen=True)
class Placing:
    """What the order's process needs to place it; `attempt` counts the tries."""

    order_id: str
    member_id: str
    room_id: str
    attempt: int
    snapshot_hash: str
    terms_version: str
    cancellation_version: str


@dataclass(frozen=True)
class Answer:
    """What placing an order led to (SK-27)."""

    outcome: Literal["placed", "declined", "requires-action", "pending"]
    decline_code: str = ""
    redirect_url: str = ""
    action_until: datetime | None = None
    order_number: str = ""


class Processes(Protocol):
    async def place(self, placing: Placing, patience: timedelta) -> Answer:
        """Has the order's process place it, once for each try; an answer that is not known in time is pending.

        Raises:
            RemoteError: refused, by the name that the failure was given; everything is free again.
        """
