"""The contract of points: decode, ask the domain, encode."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from ruum.common.v1.common_pb2 import Day
from ruum.points.v1 import points_pb2 as pb
from ruum.points.v1.points_pb2_grpc import PointsServiceServicer
from services.chassis.door import caller
from services.chassis.errors import InvalidField, Violation
from services.points.grants.domain import Grants, GrantView, PostGrant, RecordAction
from services.points.grants.models import GrantState
from services.points.holds.domain import (
    CapturePoints,
    GiveBackPoints,
    HoldPoints,
    Holds,
    HoldView,
    Part,
    ReleasePoints,
)
from services.points.holds.models import PartState
from services.points.ledger.domain import EntryView, GrantLimited, Ledger, PostExpiry

Context = grpc.aio.ServicerContext[Any, Any]

_PART_STATES: dict[PartState, pb.PartState.ValueType] = {
    "held": pb.PART_STATE_HELD,
    "captured": pb.PART_STATE_CAPTURED,
    "released": pb.PART_STATE_RELEASED,
}
_GRANT_STATES: dict[GrantState, pb.GrantState.ValueType] = {
    "pending": pb.GRANT_STATE_PENDING,
    "granted": pb.GRANT_STATE_GRANTED,
    "cancelled": pb.GRANT_STATE_CANCELLED,
}


class PointsServicer(PointsServiceServicer):
    def __init__(self, ledger: Ledger, holds: Holds, grants: Grants) -> None:
        self._ledger = ledger
        self._holds = holds
        self._grants = grants

    async def GetBalance(self, request: pb.GetBalanceRequest, context: Context) -> pb.Balance:
        view = await self._ledger.balance(caller(), request.member_id)
        return pb.Balance(
            available=view.available,
            held=view.held,
            pending=view.pending,
            debt=view.debt,
            normal=view.normal,
            limited=view.limited,
            lapses=[pb.Lapse(last_day=_day(lapse.last_day), points=lapse.points) for lapse in view.lapses],
            next_grant_on=_day(view.next_grant_on),
        )

    async def ListEntries(self, request: pb.ListEntriesRequest, context: Context) -> pb.ListEntriesResponse:
        page = await self._ledger.entries(caller(), request.page.cursor, request.page.size)
        return pb.ListEntriesResponse(entries=[_entry(view) for view in page.entries], next_cursor=page.next_cursor)

    async def Hold(self, request: pb.HoldRequest, context: Context) -> pb.HoldView:
        asked = HoldPoints(
            request_id=request.request_id,
            as_of=_as_of(request),
            member_id=request.member_id,
            order_id=request.order_id,
            attempt=request.attempt,
            parts=tuple(Part(part_id=part.part_id, points=part.points) for part in request.parts),
        )
        return _hold(await self._holds.hold(caller(), asked))

    async def Capture(self, request: pb.CaptureRequest, context: Context) -> pb.HoldView:
        asked = CapturePoints(
            request_id=request.request_id,
            as_of=_as_of(request),
            order_id=request.order_id,
            attempt=request.attempt,
            part_ids=tuple(request.part_ids),
        )
        return _hold(await self._holds.capture(caller(), asked))

    async def Release(self, request: pb.ReleaseRequest, context: Context) -> pb.HoldView:
        asked = ReleasePoints(
            request_id=request.request_id,
            as_of=_as_of(request),
            order_id=request.order_id,
            attempt=request.attempt,
            part_ids=tuple(request.part_ids),
            reissue_lapsed=request.reissue_lapsed,
        )
        return _hold(await self._holds.release(caller(), asked))

    async def GiveBack(self, request: pb.GiveBackRequest, context: Context) -> pb.GiveBackResponse:
        asked = GiveBackPoints(
            request_id=request.request_id,
            as_of=_as_of(request),
            order_id=request.order_id,
            attempt=request.attempt,
            part_id=request.part_id,
            points=request.points,
            reissue_lapsed=request.reissue_lapsed,
        )
        given = await self._holds.give_back(caller(), asked)
        return pb.GiveBackResponse(returned=given.returned, reissued=given.reissued, lost=given.lost)

    async def ReviewGrant(self, request: pb.ReviewGrantRequest, context: Context) -> pb.Grant:
        return _grant(await self._grants.review(request.order_id))

    async def PostGrant(self, request: pb.PostGrantRequest, context: Context) -> pb.Grant:
        asked = PostGrant(request_id=request.request_id, as_of=_as_of(request), order_id=request.order_id)
        return _grant(await self._grants.post(caller(), asked))

    async def RecordAction(self, request: pb.RecordActionRequest, context: Context) -> pb.RecordActionResponse:
        asked = RecordAction(
            request_id=request.request_id,
            as_of=_as_of(request),
            order_id=request.order_id,
            operator=request.operator,
            action=request.action,
            reason=request.reason,
        )
        recorded = await self._grants.record_action(caller(), asked)
        return pb.RecordActionResponse(action_id=recorded.action_id)

    async def PostExpiry(self, request: pb.PostExpiryRequest, context: Context) -> pb.PostExpiryResponse:
        asked = PostExpiry(
            request_id=request.request_id,
            as_of=_as_of(request),
            last_day=_date(request.last_day),
            limit=request.limit,
        )
        posted = await self._ledger.post_expiry(caller(), asked)
        return pb.PostExpiryResponse(lots=posted.lots, points=posted.points, more=posted.more)

    async def GetTrialBalance(self, request: pb.GetTrialBalanceRequest, context: Context) -> pb.TrialBalance:
        at = request.at.ToDatetime(UTC) if request.HasField("at") else None
        sums = await self._ledger.trial_balance(at)
        accounts = [pb.AccountSum(account=account, points=points) for account, points in sums.items()]
        differing = [] if at else await self._ledger.differing()
        return pb.TrialBalance(accounts=accounts, sum=sum(sums.values()), differing_member_ids=differing)

    async def ListOrderPoints(self, request: pb.ListOrderPointsRequest, context: Context) -> pb.ListOrderPointsResponse:
        if request.order_ids:
            orders, cursor = await self._ledger.of_orders(request.order_ids), ""
        else:
            orders, cursor = await self._ledger.of_all_orders(request.page.cursor, request.page.size)
        told = [pb.OrderPoints(**order.model_dump()) for order in orders]
        return pb.ListOrderPointsResponse(orders=told, next_cursor=cursor)

    async def GrantLimited(self, request: pb.GrantLimitedRequest, context: Context) -> pb.GrantLimitedResponse:
        asked = GrantLimited(
            request_id=request.request_id,
            member_id=request.member_id,
            campaign_id=request.campaign_id,
            points=request.points,
            last_day=_date(request.last_day),
        )
        given = await self._ledger.grant_limited(caller(), asked)
        return pb.GrantLimitedResponse(lot_id=given.lot_id)


def _as_of(request: Any) -> datetime | None:
    """The worker's time; the door lets nobody else state one (PR-05)."""
    return request.as_of.ToDatetime(UTC) if request.HasField("as_of") else None


def _day(day: date | None) -> Day | None:
    return None if day is None else Day(iso=day.isoformat())


def _date(day: Day) -> date:
    try:
        return date.fromisoformat(day.iso)
    except ValueError as no_day:
        raise InvalidField(violations=[Violation("last_day", "field-invalid", {})]) from no_day


def _stamp(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    stamped = Timestamp()
    stamped.FromDatetime(instant)
    return stamped


def _entry(view: EntryView) -> pb.Entry:
    return pb.Entry(**view.model_dump(exclude={"posted_at"}), posted_at=_stamp(view.posted_at))


def _hold(view: HoldView) -> pb.HoldView:
    return pb.HoldView(
        hold_id=view.hold_id,
        points=sum(part.points for part in view.parts),
        yen=sum(part.yen for part in view.parts),
        parts=[
            pb.HoldPartView(part_id=part.part_id, points=part.points, yen=part.yen, state=_PART_STATES[part.state])
            for part in view.parts
        ],
    )


def _grant(view: GrantView) -> pb.Grant:
    return pb.Grant(
        order_id=view.order_id, state=_GRANT_STATES[view.state], points=view.points, due_at=_stamp(view.due_at)
    )
