"""What partners' webhooks told us: kept as it came, so that its order of coming does not matter (SK-51, QA-06)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Self

import sqlalchemy as sa
from pydantic import AwareDatetime

from services.chassis.columns import instant, text
from services.sparekey.cases.transitions import State
from services.sparekey.models import Table


class Scanned(StrEnum):
    """What a carrier says of a parcel; written as the carriers write it."""

    ACCEPTED = "accepted"
    OUT_FOR_DELIVERY = "out_for_delivery"
    ABSENT = "absent"
    HELD = "held"
    HANDED_OVER = "handed_over"
    RETURNED = "returned"
    REDIRECTED = "redirected"
    REFUSED = "refused"
    LOST = "lost"
    COLLECTED = "collected"


class Webhook(Table, table=True):
    """A partner's message that was taken; `moved`: whether it changed the case."""

    __tablename__ = "words"
    __table_args__ = (sa.Index("words_order", "order_id"),)

    partner: str = text(primary_key=True)
    message_id: str = text(primary_key=True)
    type: str = text()
    order_id: str = text(default="")
    moved: bool = False
    taken_at: AwareDatetime = instant()


class Scan(Table, table=True):
    """One scan of a parcel, perhaps of one that the maker has not told of yet."""

    __tablename__ = "scans"
    __table_args__ = (
        sa.CheckConstraint(f"kind in ({', '.join(repr(str(kind)) for kind in Scanned)})", name="scans_kind"),
        sa.Index("scans_parcel", "tracking_number"),
    )

    event_id: str = text(primary_key=True)
    tracking_number: str = text()
    kind: Scanned = text()
    occurred_at: AwareDatetime = instant()
    taken_at: AwareDatetime = instant()


class Parcel(Table, table=True):
    """A parcel by its tracking number: whose it is, and when the maker had it back."""

    __tablename__ = "parcels"
    __table_args__ = (sa.Index("parcels_order", "order_id"),)

    tracking_number: str = text(primary_key=True)
    order_id: str = text()
    returned_on: date | None = None


@dataclass(frozen=True)
class Journey:
    """Where a parcel is by all its scans, whatever order they came in (QA-06).

    Attributes:
        reached: handed over, else lost, else absent, or nothing while it travels.
        absent_since: when nobody was at home first, wherever it is now.
        handed_over_at: into the recipient's hands.
        redirected: it was sent on to somewhere else, which no key may be.
    """

    reached: State | None
    absent_since: datetime | None
    handed_over_at: datetime | None
    last_scan_at: datetime | None
    collected_at: datetime | None
    redirected: bool

    @classmethod
    def of(cls, scans: Iterable[Scan]) -> Self:
        by_time = sorted(scans, key=lambda scan: scan.occurred_at)
        last_scan_at = by_time[-1].occurred_at if by_time else None
        return cls(
            reached=next((state for state, kinds in _REACHED.items() if _first(by_time, *kinds)), None),
            absent_since=_first(by_time, *_REACHED[State.ABSENT]),
            handed_over_at=_first(by_time, *_REACHED[State.HANDED_OVER]),
            last_scan_at=last_scan_at,
            collected_at=_first(by_time, Scanned.COLLECTED),
            redirected=_first(by_time, Scanned.REDIRECTED) is not None,
        )


_REACHED: Mapping[State, tuple[Scanned, ...]] = {
    State.HANDED_OVER: (Scanned.HANDED_OVER,),
    State.LOST: (Scanned.LOST,),
    State.ABSENT: (Scanned.ABSENT, Scanned.HELD),
}


def _first(by_time: list[Scan], *kinds: Scanned) -> datetime | None:
    return next((scan.occurred_at for scan in by_time if scan.kind in kinds), None)
