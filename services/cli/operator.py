"""One operator's calls of the services, through the desk that vouches for them (PR-11, SK-50)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from ruum.common.v1.common_pb2 import Page
from ruum.points.v1 import points_pb2
from ruum.points.v1.points_pb2_grpc import PointsServiceStub
from ruum.rooms.v1 import rooms_pb2
from ruum.rooms.v1.rooms_pb2_grpc import RoomsServiceStub
from ruum.sparekey.v1 import sparekey_pb2
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceStub
from ruum.store.v1 import store_pb2
from ruum.store.v1.store_pb2_grpc import StoreServiceStub
from services.chassis import wire
from services.chassis.neighbour import Neighbour
from services.chassis.settings import CallerSettings, load

_PAGE = 100
_STUBS: dict[str, Any] = {
    "rooms": RoomsServiceStub,
    "points": PointsServiceStub,
    "store": StoreServiceStub,
    "sparekey": SparekeyServiceStub,
}


class DeskSettings(CallerSettings):
    """What the desk is told."""

    rooms_address: str
    points_address: str
    store_address: str
    sparekey_address: str


def read_products(text: str) -> Sequence[store_pb2.Product]:
    """A list of products in the contract's JSON.

    Raises:
        ValueError: it is none; says where.
    """
    try:
        return list(ParseDict({"products": json.loads(text)}, store_pb2.PutProductsRequest()).products)
    except ParseError as broken:
        raise ValueError(str(broken)) from None


class Operator:
    """Every method raises `RuumError` for what was refused; those that take a request id act once under it (PR-10)."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._settings = load(DeskSettings)

    def enter_key_number(self, request_id: str, order_id: str, key_number: str) -> str:
        """Seals a number that a customer gave. Returns the reference that stands for it in Temporal (SK-14)."""
        asked = sparekey_pb2.DeskEnterKeyNumberRequest(request_id=request_id, order_id=order_id, key_number=key_number)
        return str(self._ask("sparekey", "DeskEnterKeyNumber", asked).reference)

    def resolve(self, request_id: str, order_id: str, reason: str) -> None:
        """Puts away why a person was called to an order that has ended (OP-04)."""
        asked = sparekey_pb2.DeskResolveRequest(request_id=request_id, order_id=order_id, reason=reason)
        self._ask("sparekey", "DeskResolve", asked)

    def cases(self, most: int, *, needing: bool) -> Sequence[Message]:
        """Cases of keys, newest first; those that need a person, or all."""
        asked = sparekey_pb2.ListCasesRequest(needs_operator=needing)
        return self._pages("sparekey", "ListCases", asked, "cases", most)

    def case(self, order_id: str) -> Message:
        found: Message = self._ask("sparekey", "GetCase", sparekey_pb2.GetCaseRequest(order_id=order_id))
        return found

    def order(self, order_id: str) -> store_pb2.Order:
        found: store_pb2.Order = self._ask("store", "GetOrder", store_pb2.GetOrderRequest(order_id=order_id))
        return found

    def issue_codes(self, request_id: str, lease_code: str) -> rooms_pb2.CodePair:
        """A new pair of registration codes; the old pair dies (RM-03)."""
        asked = rooms_pb2.IssueCodesRequest(request_id=request_id, lease_code=lease_code)
        pair: rooms_pb2.CodePair = self._ask("rooms", "IssueCodes", asked)
        return pair

    def remove_members(self, request_id: str, room_id: str, member_ids: Sequence[str]) -> Sequence[str]:
        """Removes registrations of a room (RM-21). Returns those that were removed."""
        asked = rooms_pb2.RemoveMembersRequest(request_id=request_id, room_id=room_id, member_ids=member_ids)
        return list(self._ask("rooms", "RemoveMembers", asked).removed_member_ids)

    def settle_conflict(self, request_id: str, conflict_id: str, reason: str, *, to_claimant: bool) -> None:
        """Decides who is the contractor of a lease, after the person was checked (RM-06)."""
        asked = rooms_pb2.SettleConflictRequest(
            request_id=request_id, conflict_id=conflict_id, grant_to_claimant=to_claimant, reason=reason
        )
        self._ask("rooms", "SettleConflict", asked)

    def access(self, room_id: str, at: datetime | None, most: int) -> Sequence[Message]:
        """Who was registered in a room from when to when; of an instant, who had access then (RM-23)."""
        asked = rooms_pb2.ListAccessHistoryRequest(room_id=room_id, at=wire.stamp(at))
        return self._pages("rooms", "ListAccessHistory", asked, "records", most)

    def put_products(self, request_id: str, products: Sequence[store_pb2.Product]) -> int:
        """Goods and prices as they are from now on (SK-07). Returns how many changed."""
        asked = store_pb2.PutProductsRequest(request_id=request_id, products=products)
        return int(self._ask("store", "PutProducts", asked).changed)

    def trial_balance(self, at: datetime | None) -> points_pb2.TrialBalance:
        """The sum of every account of points; zero in all."""
        asked = points_pb2.GetTrialBalanceRequest(at=wire.stamp(at))
        balance: points_pb2.TrialBalance = self._ask("points", "GetTrialBalance", asked)
        return balance

    def _pages(self, service: str, method: str, asked: Any, rows: str, most: int) -> Sequence[Message]:
        found: list[Message] = []
        cursor = ""
        while len(found) < most:
            asked.page.CopyFrom(Page(cursor=cursor, size=min(_PAGE, most - len(found))))
            answer = self._ask(service, method, asked)
            found += getattr(answer, rows)
            cursor = answer.next_cursor
            if not cursor:
                break
        return found

    def _ask(self, service: str, method: str, asked: Message) -> Any:
        return asyncio.run(self._call(service, method, asked))

    async def _call(self, service: str, method: str, asked: Message) -> Any:
        async with Neighbour("desk", self._settings) as desk:
            call = getattr(_STUBS[service](desk.channel(service)), method)
            return await call(asked, metadata=desk.as_operator(service, self._name))
