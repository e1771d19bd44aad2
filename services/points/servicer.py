"""The contract of points: read, ask the domain, write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ruum.points.v1 import points_pb2 as pb
from ruum.points.v1.points_pb2_grpc import PointsServiceServicer
from services.chassis import wire
from services.chassis.door import caller
from services.points.grants.domain import Grants, GrantView, PostGrant, RecordAction
from services.points.holds.domain import CapturePoints, GiveBackPoints, HoldPoints, Holds, ReleasePoints
from services.points.ledger.domain import GrantLimited, Ledger, PostExpiry


@dataclass(frozen=True)
class Domain:
    """The domain of points, wired."""

    ledger: Ledger
    holds: Holds
    grants: Grants


class PointsServicer(PointsServiceServicer):
    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    async def GetBalance(self, request: pb.GetBalanceRequest, context: Any) -> pb.Balance:
        return wire.write(pb.Balance, await self._domain.ledger.balance(caller(), request.member_id))

    async def ListEntries(self, request: pb.ListEntriesRequest, context: Any) -> pb.ListEntriesResponse:
        listed = await self._domain.ledger.entries(caller(), wire.page(request.page))
        return wire.write(pb.ListEntriesResponse, listed, entries=listed.items)

    async def Hold(self, request: pb.HoldRequest, context: Any) -> pb.HoldView:
        return wire.write(pb.HoldView, await self._domain.holds.hold(caller(), wire.read(HoldPoints, request)))

    async def Capture(self, request: pb.CaptureRequest, context: Any) -> pb.HoldView:
        return wire.write(pb.HoldView, await self._domain.holds.capture(caller(), wire.read(CapturePoints, request)))

    async def Release(self, request: pb.ReleaseRequest, context: Any) -> pb.HoldView:
        return wire.write(pb.HoldView, await self._domain.holds.release(caller(), wire.read(ReleasePoints, request)))

    async def GiveBack(self, request: pb.GiveBackRequest, context: Any) -> pb.GiveBackResponse:
        given = await self._domain.holds.give_back(caller(), wire.read(GiveBackPoints, request))
        return wire.write(pb.GiveBackResponse, given)

    async def ReviewGrant(self, request: pb.ReviewGrantRequest, context: Any) -> pb.Grant:
        return _grant(await self._domain.grants.review(request.order_id))

    async def PostGrant(self, request: pb.PostGrantRequest, context: Any) -> pb.Grant:
        return _grant(await self._domain.grants.post(caller(), wire.read(PostGrant, request)))

    async def RecordAction(self, request: pb.RecordActionRequest, context: Any) -> pb.RecordActionResponse:
        recorded = await self._domain.grants.record_action(caller(), wire.read(RecordAction, request))
        return wire.write(pb.RecordActionResponse, recorded)

    async def PostExpiry(self, request: pb.PostExpiryRequest, context: Any) -> pb.PostExpiryResponse:
        posted = await self._domain.ledger.post_expiry(caller(), wire.read(PostExpiry, request))
        return wire.write(pb.PostExpiryResponse, posted)

    async def GetTrialBalance(self, request: pb.GetTrialBalanceRequest, context: Any) -> pb.TrialBalance:
        return wire.write(pb.TrialBalance, await self._domain.ledger.trial_balance(wire.instant(request, "at")))

    async def ListOrderPoints(self, request: pb.ListOrderPointsRequest, context: Any) -> pb.ListOrderPointsResponse:
        listed = await self._domain.ledger.orders(request.order_ids, wire.page(request.page))
        return wire.write(pb.ListOrderPointsResponse, listed, orders=listed.items)

    async def GrantLimited(self, request: pb.GrantLimitedRequest, context: Any) -> pb.GrantLimitedResponse:
        given = await self._domain.ledger.grant_limited(caller(), wire.read(GrantLimited, request))
        return wire.write(pb.GrantLimitedResponse, given)


def _grant(view: GrantView) -> pb.Grant:
    # `claim_open` stands in the contract, and nobody has ever told or asked it.
    return wire.write(pb.Grant, view, claim_open=None)
