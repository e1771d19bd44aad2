"""What the domain answers, as the contract writes it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ruum.common.v1.common_pb2 import Address, Day, Page
from ruum.sparekey.v1 import sparekey_pb2 as pb
from services.chassis.errors import InvalidField, Violation
from services.chassis.ids import is_id
from services.sparekey import notices
from services.sparekey.cases.models import Case, Kind
from services.sparekey.drafts.domain import Draft, Offer, RoomOffer
from services.sparekey.numbers.models import ERASED
from services.sparekey.orders.domain import KeyOrder
from services.sparekey.placing.domain import Review
from services.sparekey.ports import Answer
from services.sparekey.settings import Rules

_PAGE = 20


def word(prefix: str, written: str) -> str:
    """A word of ours as a generated enum has it: `number-asked` is CASE_STATE_NUMBER_ASKED."""
    return f"{prefix}_{written.upper().replace('-', '_')}"


def kind_of(number: Any) -> Kind:
    return Kind(pb.KeyKind.Name(number).removeprefix("KEY_KIND_").lower())


def state_of(number: Any) -> str:
    return pb.CaseState.Name(number).removeprefix("CASE_STATE_").lower().replace("_", "-")


def asked_page(page: Page) -> tuple[str, int]:
    """Before which order, and how many.

    Raises:
        InvalidField: the cursor is none of ours.
    """
    before = ""
    with suppress(ValueError):
        before = base64.b64decode(page.cursor.encode(), altchars=b"-_", validate=True).decode("ascii")
    if page.cursor and not is_id(before, "ord"):
        raise InvalidField(field="page.cursor", violations=[Violation("page.cursor", "field-invalid", {})])
    return before, page.size or _PAGE


def cursor(order_ids: Sequence[str], size: int) -> str:
    """Where the next page begins; empty after the last."""
    return base64.urlsafe_b64encode(order_ids[-1].encode()).decode() if len(order_ids) == size else ""


def options(offers: Sequence[RoomOffer], rules: Rules) -> pb.Options:
    return pb.Options(
        rooms=[_room(offer, several=len(offers) > 1) for offer in offers],
        notices_version=rules.notices_version,
        quantity_max=rules.key_quantity_max,
        guide=notices.GUIDE,
        notices=notices.NOTICES,
        params=notices.figures(rules),
    )


def _room(offer: RoomOffer, *, several: bool) -> pb.RoomOption:
    place = offer.permission
    return pb.RoomOption(
        room_id=offer.room_id,
        building_name=place.building_name,
        room_number=place.room_number,
        address=Address(**place.address),
        e_touch=place.e_touch,
        kinds=[_kind_option(it, several=several) for it in offer.offers],
        refusal=offer.refusal,
    )


def _kind_option(offer: Offer, *, several: bool) -> pb.KindOption:
    return pb.KindOption(
        kind=_kind(offer.kind),
        product=offer.product.shown,
        needs_acknowledgement=offer.acknowledge,
        guide=notices.GUIDE_OF[offer.kind],
        notices=notices.NOTICES_OF[offer.kind],
        shows_building_large=several and offer.kind is Kind.IC,
    )


def draft(view: Draft) -> pb.Draft:
    case, number = view.case, view.number
    return pb.Draft(
        order_id=case.order_id,
        kind=_kind(case.kind),
        quantity=case.quantity,
        room_id=case.room_id,
        building_name=case.building_name,
        room_number=case.room_number,
        e_touch=case.e_touch,
        key_number_entered=case.number_id is not None,
        key_number_masked=number.masked if number else ERASED if case.number_id else "",
        look_alikes=number.look_alikes if number else (),
        checkout=view.checkout.shown,
    )


def review(view: Review, rules: Rules) -> pb.Review:
    return pb.Review(
        order_id=view.draft.case.order_id,
        snapshot_hash=view.snapshot_hash,
        key_number_grouped=view.number.grouped,
        draft=draft(view.draft),
        terms_version=rules.terms_version,
        cancellation_version=rules.cancellation_version,
    )


def placed(order_id: str, answer: Answer) -> pb.Placed:
    return pb.Placed(
        order_id=order_id,
        outcome=pb.PlacedOutcome.Value(word("PLACED_OUTCOME", answer.outcome)),
        decline_code=answer.decline_code,
        redirect_url=answer.redirect_url,
        action_until=stamp(answer.action_until),
        order_number=answer.order_number,
    )


def key_order(view: KeyOrder, rules: Rules) -> pb.KeyOrder:
    case = view.case
    return pb.KeyOrder(
        order_id=case.order_id,
        version=case.version,
        state=_state(case),
        kind=_kind(case.kind),
        quantity=case.quantity,
        room_id=case.room_id,
        building_name=case.building_name,
        room_number=case.room_number,
        key_number_masked=view.masked,
        timeline=[pb.TimelineEntry(code=it.code, at=stamp(it.at), params=it.params) for it in view.story],
        next=view.outlook.next,
        until=stamp(view.outlook.until),
        actions=[pb.MemberAction.Value(word("MEMBER_ACTION", action)) for action in view.outlook.actions],
        tracking_number=case.tracking_number,
        carrier=case.carrier,
        redelivery=case.redelivery,
        redelivery_charge=rules.redelivery_charge,
        order=view.order.shown if view.order else None,
        wish_date=_day(case.wish_date),
        wish_dates_offered=[Day(iso=day.isoformat()) for day in view.wishes],
        reason=case.reason,
    )


def case(view: Case) -> pb.Case:
    return pb.Case(
        order_id=view.order_id,
        version=view.version,
        member_id=view.member_id,
        room_id=view.room_id,
        state=_state(view),
        deadline=stamp(view.deadline),
        reply_pending=view.state == "checking" and view.check_round > 1,
        check_round=view.check_round,
        redelivery=view.redelivery,
        frozen=view.frozen,
        needs_operator=view.needs_operator,
        tracking_number=view.tracking_number,
        absent_since=stamp(view.absent_since),
        dispatched_at=stamp(view.dispatched_at),
        returned_on=_day(view.returned_on),
        wish_date=_day(view.wish_date),
        last_scan_at=stamp(view.last_scan_at),
        reason=view.reason,
        patience_until=stamp(view.patience_until),
        remind_at=stamp(view.remind_at),
        reminder=view.reminder,
        reminder_days=view.reminder_days,
        attempt=view.attempt,
        arranged_at=stamp(view.arranged_at),
        handed_over_at=stamp(view.handed_over_at),
        look_due=view.look_due,
    )


def _kind(kind: str) -> Any:
    return pb.KeyKind.Value(word("KEY_KIND", kind))


def _state(view: Case) -> Any:
    return pb.CaseState.Value(word("CASE_STATE", view.state))


def _day(day: date | None) -> Day | None:
    return Day(iso=day.isoformat()) if day else None


def stamp(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    stamped = Timestamp()
    stamped.FromDatetime(instant.astimezone(UTC))
    return stamped
