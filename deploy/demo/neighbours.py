"""The company's other systems and its operators, as they call the services over gRPC."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from ruum.points.v1 import points_pb2
from ruum.points.v1.points_pb2_grpc import PointsServiceStub
from ruum.rooms.v1 import rooms_pb2
from ruum.rooms.v1.rooms_pb2_grpc import RoomsServiceStub
from ruum.store.v1 import store_pb2
from ruum.store.v1.store_pb2_grpc import StoreServiceStub
from services.chassis import neighbour
from services.chassis.settings import CallerSettings, told_by

OPERATOR = "op_demo"
Stated = Sequence[Mapping[str, Any]]


class NeighbourSettings(CallerSettings):
    """Of whoever takes part in the story."""

    rooms_address: str
    points_address: str
    store_address: str
    sparekey_address: str


class Neighbour(neighbour.Neighbour):
    """One caller of this machine with a key of its own.

    Args:
        name: whose key it is: `contract-master`, `campaign-desk` or `desk`.
        told: the variables that the stack gives it.
    """

    def __init__(self, name: str, told: Mapping[str, str]) -> None:
        super().__init__(name, told_by(NeighbourSettings, told))

    def as_operator(self, service: str, operator: str = OPERATOR) -> list[tuple[str, str]]:
        return super().as_operator(service, operator)


SEED = Path(__file__).with_name("seed.json")


class Seed:
    """What a fresh ruum is given: buildings, leases, the two keys and a coupon; the same again changes nothing."""

    def __init__(self, contracts: Neighbour, campaigns: Neighbour, desk: Neighbour) -> None:
        self._contracts = contracts
        self._campaigns = campaigns
        self._desk = desk
        self._data: dict[str, Any] = json.loads(SEED.read_text("utf-8"))
        self._let: dict[str, dict[str, Any]] = {}

    async def plant(self) -> None:
        """Gives the services their first data, each as the system that owns it."""
        data = self._data
        await self.state("seed", data["buildings"], data["leases"])
        await StoreServiceStub(self._desk.channel("store")).PutProducts(
            store_pb2.PutProductsRequest(
                request_id="seed/products",
                products=[_message(store_pb2.Product(), product) for product in data["products"]],
            ),
            metadata=self._desk.as_operator("store"),
        )
        await self.put_coupons(data["coupons"])

    async def put_coupons(self, coupons: Sequence[Mapping[str, Any]]) -> None:
        """The campaign desk states coupons (ST-12)."""
        codes = ",".join(coupon["code"] for coupon in coupons)
        await StoreServiceStub(self._campaigns.channel("store")).PutCoupons(
            store_pb2.PutCouponsRequest(
                request_id=f"seed/coupons/{codes}",
                coupons=[_message(store_pb2.CouponTerms(), coupon) for coupon in coupons],
            )
        )

    async def state(self, mark: str, buildings: Stated, leases: Stated) -> None:
        """States buildings and leases as the contract master; the same under the same mark changes nothing."""
        await RoomsServiceStub(self._contracts.channel("rooms")).ImportLeases(
            rooms_pb2.ImportLeasesRequest(
                request_id=f"{mark}/leases",
                buildings=[_message(rooms_pb2.Building(), building) for building in buildings],
                leases=[_message(rooms_pb2.Lease(), lease) for lease in leases],
            )
        )

    async def new_lease(self, contractor: str) -> str:
        """Lets one more room, so that the story can be told again on the same stack. Returns the lease's code."""
        number = uuid4().int
        code = f"L-{number % 10**10:010d}"
        self._let[code] = dict(self._data["leases"][0]) | {"lease_code": code, "version": "0"}
        # Of one building, like all of them: a number that came twice would be one room let to others.
        await self.restate(code, room_number=f"{number % 10**8:08d}", contractor_name=contractor)
        return code

    async def restate(self, lease_code: str, **changed: Any) -> None:
        """States a lease of a room let here anew: what changed of it, such as `ends_on={"iso": …}` (RM-22)."""
        lease = self._let[lease_code]
        lease |= changed | {"version": str(int(lease["version"]) + 1)}
        await RoomsServiceStub(self._contracts.channel("rooms")).ImportLeases(
            rooms_pb2.ImportLeasesRequest(request_id=f"lease/{uuid4()}", leases=[_message(rooms_pb2.Lease(), lease)])
        )

    async def code_pair(self, lease_code: str) -> rooms_pb2.CodePair:
        """A fresh pair of registration codes, as the letter to the contractor carries it (RM-03)."""
        request_id = f"seed/codes/{uuid5(NAMESPACE_OID, lease_code)}"  # ids are kept: they say nothing of anybody
        asked = rooms_pb2.IssueCodesRequest(request_id=request_id, lease_code=lease_code)
        pair: rooms_pb2.CodePair = await RoomsServiceStub(self._contracts.channel("rooms")).IssueCodes(asked)
        return pair

    async def welcome_points(self, member_id: str, points: int, last_day: str) -> None:
        """Limited-time points of the opening campaign (PT-06)."""
        asked = points_pb2.GrantLimitedRequest(
            request_id=f"seed/points/{member_id}", member_id=member_id, campaign_id="opening", points=points
        )
        asked.last_day.iso = last_day
        await PointsServiceStub(self._campaigns.channel("points")).GrantLimited(asked)


def _message(message: Any, values: Mapping[str, Any]) -> Any:
    from google.protobuf.json_format import ParseDict  # noqa: PLC0415  # a seed is JSON, and only here

    return ParseDict(dict(values), message)
