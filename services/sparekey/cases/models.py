"""The case of one key order: one row that says where the key is and what it waits for (SK-40)."""

from datetime import date
from enum import StrEnum
from typing import TypedDict

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlmodel import Field

from services.chassis.columns import instant, record, text
from services.chassis.errors import NotFound
from services.sparekey.cases.transitions import State
from services.sparekey.models import Table


class Kind(StrEnum):
    """What a key opens (SK-03); written as the maker and the catalogue write it."""

    NORMAL = "normal"
    IC = "ic"

    @property
    def sku(self) -> str:
        return f"key-{self}"


POST, CARRIER = "post", "carrier"

ABOUT_TO_LEAVE = "state in ('ready', 'released') or (state = 'redelivering' and tracking_number = '')"
"""In SQL: the key lies at the maker, and only the look at lease and membership keeps it there (SK-05, SK-36)."""

_STATES = ", ".join(f"'{state}'" for state in State)


class Case(Table, table=True):
    """One order's key, under the order's id; money and recipient are the store's.

    Attributes:
        version: one more with every change; whoever changes the case names the one it has read.
        entered_at: since when it is in its state.
        deadline: until when a rule lets the state wait; somebody has to ask whether it is over (PR-06).
        patience_until: when an operator is called if nothing comes (OP-06).
        number_due_at: end of the week for a correct number, kept while a reply is checked (SK-13, SK-14).
        early_number_id: a reply that came before the question.
        making: how often the maker was asked to make the keys.
        arranged_at: when the maker took the order of the keys that are being made.
        redelivery: redeliveries asked for so far.
        tracking_number: of the parcel on its way or last on its way; empty before it is handed to a carrier.
        destroyed_on: the maker says so; what was destroyed has to be made anew.
        frozen: nothing leaves before two operators let it (SK-30, SK-37).
        look_due: the room may have changed since lease and membership were looked at (SK-05).
        stopped_from: where it stood when it was stopped last; empty once operators let it go, it is told to leave, or
            the maker has answered the stop and everything goes back.
        needs_operator: why a person must look: a code.
    """

    __tablename__ = "cases"
    __table_args__ = (
        sa.CheckConstraint("kind in ('normal', 'ic')", name="cases_kind"),
        sa.CheckConstraint(f"state in ({_STATES})", name="cases_state"),
        sa.CheckConstraint("quantity >= 1", name="cases_quantity"),
        sa.CheckConstraint("(state in ('draft', 'placing')) = (placed_at is null)", name="cases_placed"),
        sa.CheckConstraint("state = 'draft' or number_id is not null", name="cases_number"),
        sa.CheckConstraint("(remind_at is null) = (reminder = '')", name="cases_reminder"),
        sa.CheckConstraint("(state = 'stopped') <= (needs_operator <> '')", name="cases_stopped_needs_operator"),
        sa.Index("cases_member", "member_id", "order_id"),
        sa.Index("cases_needing", "order_id", postgresql_where=sa.text("needs_operator <> ''")),
        sa.Index("cases_ended", "ended_at", postgresql_where=sa.text("ended_at is not null")),
        sa.Index("cases_leaving", "room_id", postgresql_where=sa.text(ABOUT_TO_LEAVE)),
        sa.Index("cases_drafts", "touched_at", postgresql_where=sa.text("state = 'draft'")),
    )

    order_id: str = text(primary_key=True)
    member_id: str = text()
    room_id: str = text()
    contractor_id: str = text(default="")
    kind: Kind = text()
    quantity: int
    building_code: str = text()
    building_name: str = text()
    room_number: str = text()
    e_touch: bool
    lease_version: int = Field(sa_type=sa.BigInteger)
    notices_version: str = text()
    notices_language: str = text()
    notices_agreed_at: AwareDatetime = instant()
    no_e_touch_agreed_at: AwareDatetime | None = instant(default=None)
    number_id: str | None = text(default=None)
    early_number_id: str | None = text(default=None)
    snapshot_hash: str = text(default="")
    wish_date: date | None = None
    wish_asked: bool = False

    state: State = text(default=State.DRAFT)
    version: int = Field(default=1, sa_type=sa.BigInteger)
    attempt: int = 0
    entered_at: AwareDatetime = instant()
    touched_at: AwareDatetime = instant()
    deadline: AwareDatetime | None = instant(default=None)
    patience_until: AwareDatetime | None = instant(default=None)
    remind_at: AwareDatetime | None = instant(default=None)
    reminder: str = text(default="")
    reminder_days: int = 0
    reason: str = text(default="")
    needs_operator: str = text(default="")
    frozen: bool = False
    look_due: bool = False
    stopped_from: str = text(default="")

    check_round: int = 0
    number_due_at: AwareDatetime | None = instant(default=None)
    making: int = 0
    arranged_at: AwareDatetime | None = instant(default=None)
    remade_free: bool = False
    promised_on: date | None = None
    redelivery: int = 0
    tracking_number: str = text(default="")
    carrier: str = text(default="")
    dispatched_at: AwareDatetime | None = instant(default=None)
    last_scan_at: AwareDatetime | None = instant(default=None)
    absent_since: AwareDatetime | None = instant(default=None)
    returned_on: date | None = None
    collected_at: AwareDatetime | None = instant(default=None)
    handed_over_at: AwareDatetime | None = instant(default=None)
    destroyed_on: date | None = None
    not_mine_at: AwareDatetime | None = instant(default=None)
    redirect_at: AwareDatetime | None = instant(default=None)

    placed_at: AwareDatetime | None = instant(default=None)
    ended_at: AwareDatetime | None = instant(default=None)

    def own(self, member_id: str) -> "Case":
        """The case itself, for the member whose order it is.

        Raises:
            NotFound: another's order is not there (PR-15).
        """
        if self.member_id != member_id:
            raise NotFound
        return self

    def in_time(self, now: AwareDatetime) -> bool:
        """Whether the state's deadline, if it has one, is still ahead."""
        return self.deadline is None or now < self.deadline

    @property
    def reply_pending(self) -> bool:
        """Whether the number that is being checked answers the question for it (SK-14)."""
        return self.state == State.CHECKING and self.check_round > 1

    @property
    def ended(self) -> bool:
        return self.ended_at is not None

    @property
    def on_its_way(self) -> bool:
        """Whether a carrier has the parcel of the present making and delivery."""
        return bool(self.tracking_number)

    @property
    def told_to_leave(self) -> bool:
        """Whether the maker was told to let it go, and no carrier is known to have it."""
        return self.state in {State.RELEASED, State.REDELIVERING} and not self.on_its_way


class Columns(TypedDict, total=False):
    """The columns of a case that change, typed as `Case` has them."""

    room_id: str
    contractor_id: str
    kind: Kind
    quantity: int
    building_code: str
    building_name: str
    room_number: str
    e_touch: bool
    lease_version: int
    notices_version: str
    notices_language: str
    notices_agreed_at: AwareDatetime
    no_e_touch_agreed_at: AwareDatetime | None
    number_id: str | None
    early_number_id: str | None
    snapshot_hash: str
    wish_date: date | None
    wish_asked: bool

    state: State
    attempt: int
    entered_at: AwareDatetime
    touched_at: AwareDatetime
    deadline: AwareDatetime | None
    patience_until: AwareDatetime | None
    remind_at: AwareDatetime | None
    reminder: str
    reminder_days: int
    reason: str
    needs_operator: str
    frozen: bool
    look_due: bool
    stopped_from: str

    check_round: int
    number_due_at: AwareDatetime | None
    making: int
    arranged_at: AwareDatetime | None
    remade_free: bool
    promised_on: date | None
    redelivery: int
    tracking_number: str
    carrier: str
    dispatched_at: AwareDatetime | None
    last_scan_at: AwareDatetime | None
    absent_since: AwareDatetime | None
    returned_on: date | None
    collected_at: AwareDatetime | None
    handed_over_at: AwareDatetime | None
    destroyed_on: date | None
    not_mine_at: AwareDatetime | None
    redirect_at: AwareDatetime | None

    placed_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class Entry(Table, table=True):
    """A line of a case's timeline: what happened, when; only ever added (SK-40)."""

    __tablename__ = "timeline"
    __table_args__ = (sa.Index("timeline_order", "order_id", "at"),)

    position: int | None = Field(
        default=None, sa_column=sa.Column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    )
    order_id: str = text(foreign_key="sparekey.cases.order_id")
    code: str = text()
    at: AwareDatetime = instant()
    params: dict[str, str] = record(default_factory=dict)
