"""Neighbours that do what a test tells them: rooms, store and maker as the domain's ports, and the process."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from ruum.store.v1 import store_pb2
from services.chassis.errors import NotFound, RuumError, Unavailable
from services.chassis.ids import new_id
from services.sparekey.cases.models import Kind
from services.sparekey.numbers.models import KeyNumber
from services.sparekey.ports import (
    Address,
    Answer,
    Checkout,
    Destination,
    MakerAway,
    MakerRefused,
    Order,
    Ordered,
    Permission,
    Placing,
    Product,
    Snapshot,
)

ADDRESS: Address = {
    "postal_code": "060-0001",
    "prefecture": "北海道",
    "city": "札幌市中央区",
    "street": "北一条西1-1",
    "building": "メゾン北一条 201",
}
RECIPIENT = {"name": "山田 太郎", "kana": "ヤマダ タロウ", "phone": "090-1234-5678"}
NOBODY = Permission(allowed=False, refusal="not-registered")


def lease(**other: Any) -> Permission:
    """A running lease of a flat in a building with e-touch."""
    usual: dict[str, Any] = {
        "allowed": True,
        "building_code": "B-0001",
        "building_name": "メゾン北一条",
        "room_number": "201",
        "e_touch": True,
        "lease_version": 3,
        "address": ADDRESS,
    }
    return Permission(**usual | other)


def ended(refusal: str = "lease-ended") -> Permission:
    return Permission(allowed=False, refusal=refusal)


@dataclass
class FakeRooms:
    leases: dict[tuple[str, str], Permission] = field(default_factory=dict)
    contractors: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    asked: int = 0
    after: Callable[[], Awaitable[None]] | None = None
    """Comes to pass once, right after an answer was given."""

    async def may_order_keys(self, member_id: str, room_id: str) -> Permission:
        self.asked += 1
        if self.silent:
            raise Unavailable
        answer = self.leases.get((member_id, room_id), NOBODY)
        after, self.after = self.after, None
        if after is not None:
            await after()
        return answer

    async def resides(self, member_id: str, room_id: str) -> bool:
        return not self.silent and self.leases.get((member_id, room_id), NOBODY).allowed

    async def contractor(self, room_id: str) -> str:
        if self.silent:
            raise Unavailable
        return self.contractors.get(room_id, "")


@dataclass
class Basket:
    """What the store keeps of one order."""

    order_id: str
    member_id: str
    room_id: str
    sku: str
    quantity: int
    address: Address
    wish_date: date | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    promised_on: date | None = None
    means_wanted: bool = False
    payer_awaited_until: datetime | None = None


@dataclass
class FakeStore:
    baskets: dict[str, Basket] = field(default_factory=dict)
    silent: bool = False

    def _heard(self) -> None:
        if self.silent:
            raise Unavailable

    def _find(self, order_id: str) -> Basket:
        self._heard()
        if order_id not in self.baskets:
            raise NotFound
        return self.baskets[order_id]

    async def keys(self) -> list[Product]:
        self._heard()
        return [Product(kind.sku, store_pb2.Product(sku=kind.sku, price=3300)) for kind in Kind]

    async def open_checkout(
        self, request_id: str, member_id: str, room_id: str, sku: str, quantity: int, address: Address
    ) -> Checkout:
        self._heard()
        found = next((it for it in self.baskets.values() if it.member_id == member_id), None)
        basket = found or Basket(new_id("ord"), member_id, room_id, sku, quantity, address)
        basket.room_id, basket.sku, basket.quantity, basket.address = room_id, sku, quantity, address
        self.baskets[basket.order_id] = basket
        return _checkout(basket)

    async def checkout(self, order_id: str) -> Checkout:
        return _checkout(self._find(order_id))

    async def drop_checkout(self, request_id: str, order_id: str, member_id: str) -> None:
        self._heard()
        self.baskets.pop(order_id, None)

    async def snapshot(
        self,
        request_id: str,
        order_id: str,
        member_id: str,
        facts: Mapping[str, str],
        language: str,
        address: Address,
    ) -> Snapshot:
        basket = self._find(order_id)
        basket.facts = facts
        content = repr((sorted(facts.items()), basket.quantity, basket.wish_date, sorted(address.items())))
        return Snapshot(hashlib.sha256(content.encode()).hexdigest(), _checkout(basket))

    async def order(self, order_id: str) -> Order:
        basket = self._find(order_id)
        return Order(
            order_number="0123456789",
            wish_date=basket.wish_date,
            promised_on=basket.promised_on,
            recipient=RECIPIENT,
            means_wanted=basket.means_wanted,
            payer_awaited_until=basket.payer_awaited_until,
            shown=store_pb2.Order(order_id=order_id, order_number="0123456789"),
        )


def _checkout(basket: Basket) -> Checkout:
    shown = store_pb2.Checkout(order_id=basket.order_id, room_id=basket.room_id)
    return Checkout(basket.order_id, basket.member_id, basket.wish_date, shown)


@dataclass
class FakeMaker:
    """Does each thing once by its key.

    Attributes:
        asked: every call that came.
        done: what was done.
        handed_on: orders whose key a carrier has, so that it cannot be stopped.
    """

    asked: list[tuple[str, str]] = field(default_factory=list)
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    away: bool = False
    answer_lost: int = 0
    handed_on: set[str] = field(default_factory=set)
    refuses: dict[str, str] = field(default_factory=dict)
    before: Callable[[str], Awaitable[None]] | None = None

    async def _do(self, verb: str, key: str, order_id: str, **what: Any) -> dict[str, Any]:
        if self.before is not None:
            await self.before(verb)
        self.asked.append((verb, key))
        if self.away:
            raise MakerAway
        if verb in self.refuses:
            raise MakerRefused(why=self.refuses[verb])
        did = self.done.setdefault(key, {"verb": verb, "order_id": order_id, **what, "n": len(self.done) + 1})
        if self.answer_lost:
            self.answer_lost -= 1
            raise MakerAway
        return did

    def did(self, verb: str, order_id: str) -> list[dict[str, Any]]:
        return [it for it in self.done.values() if it["verb"] == verb and it["order_id"] == order_id]

    async def check(self, key: str, order_id: str, number: KeyNumber, kind: Kind) -> str:
        await self._do("check", key, order_id, number=number.plain, kind=kind)
        return f"chk_{key.replace('/', '_')}"

    async def order(self, key: str, order_id: str, number: KeyNumber, keys: Ordered, to: Destination) -> None:
        await self._do("order", key, order_id, number=number.plain, keys=keys, to=to)

    async def remake(self, key: str, order_id: str) -> None:
        await self._do("remake", key, order_id)

    async def release(self, key: str, order_id: str, to: Destination) -> None:
        await self._do("release", key, order_id, to=to)

    async def redeliver(self, key: str, order_id: str, to: Destination, charge: int) -> None:
        await self._do("redeliver", key, order_id, to=to, charge=charge)

    async def stop(self, key: str, order_id: str) -> bool:
        await self._do("stop", key, order_id)
        return order_id not in self.handed_on


@dataclass
class FakeProcesses:
    """Places at once by doing what the process would do, or answers as it was told."""

    answer: Answer | RuumError | None = None
    asked: list[Placing] = field(default_factory=list)
    confirm: Callable[[str], Awaitable[Any]] | None = None
    abandon: Callable[[str, str], Awaitable[Any]] | None = None

    async def place(self, placing: Placing, patience: timedelta) -> Answer:
        self.asked.append(placing)
        if isinstance(self.answer, RuumError):
            if self.abandon is not None:
                await self.abandon(placing.order_id, self.answer.code)
            raise self.answer
        if self.answer is not None:
            if self.answer.outcome == "declined" and self.abandon is not None:
                await self.abandon(placing.order_id, self.answer.decline_code)
            return self.answer
        if self.confirm is not None:
            await self.confirm(placing.order_id)
        return Answer("placed", order_number="0123456789")
