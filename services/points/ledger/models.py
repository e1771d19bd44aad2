"""The ledger: entries that are only ever added, and what is kept beside them in the same statement."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Literal

import sqlalchemy as sa
from sqlmodel import Field

from services.chassis.columns import instant, text, whole
from services.chassis.jst import deadline
from services.points.models import Table

LotKind = Literal["normal", "limited"]
ActivityKind = Literal["order", "redemption"]


class Account(StrEnum):
    """Where points stand: the first four are accounts of each member, the others of the program."""

    AVAILABLE = "available"
    HELD = "held"
    PENDING = "pending"
    DEBT = "debt"
    ISSUED = "issued"
    SPENT = "spent"
    LAPSED = "lapsed"


class Move(Enum):
    """What can happen to points: the kind of the entry, the account that is debited and the one that is credited."""

    PENDING = ("pending", Account.ISSUED, Account.PENDING)
    PENDING_ENDED = ("pending-ended", Account.PENDING, Account.ISSUED)
    GRANTED = ("granted", Account.PENDING, Account.AVAILABLE)
    GRANTED_BY_CAMPAIGN = ("granted", Account.ISSUED, Account.AVAILABLE)
    HELD = ("held", Account.AVAILABLE, Account.HELD)
    RELEASED = ("released", Account.HELD, Account.AVAILABLE)
    SPENT = ("spent", Account.HELD, Account.SPENT)
    GIVEN_BACK = ("given-back", Account.SPENT, Account.AVAILABLE)
    LAPSED = ("lapsed", Account.AVAILABLE, Account.LAPSED)
    REISSUED = ("reissued", Account.LAPSED, Account.AVAILABLE)
    REVERSED = ("reversed", Account.AVAILABLE, Account.ISSUED)
    OWED = ("owed", Account.DEBT, Account.ISSUED)
    REPAID = ("repaid", Account.AVAILABLE, Account.DEBT)

    def __init__(self, kind: str, debit: Account, credit: Account) -> None:
        self.kind = kind
        self.debit = debit
        self.credit = credit


@dataclass(frozen=True)
class Term:
    """How long points can be spent: to the end of a day in Japan (PT-11)."""

    last_day: date

    @property
    def until(self) -> datetime:
        """The first instant at which it is too late."""
        return deadline(self.last_day)


class Balance(Table, table=True):
    """A member's accounts as the sum of their entries, and until when the normal points live (PT-10).

    `available` still counts what has lapsed and is not posted yet; answers never do (PT-12).

    Attributes:
        expiring: there may be normal points that lapse at `normal_until`.
    """

    __tablename__ = "balances"
    __table_args__ = (
        sa.CheckConstraint("available >= 0 and held >= 0 and pending >= 0 and debt >= 0", "balances_not_negative"),
        sa.CheckConstraint("(normal_until is null) = (normal_last_day is null)", "balances_term_whole"),
        sa.Index("balances_expiring", "normal_until", postgresql_where=sa.text("expiring")),
    )

    member_id: str = text(primary_key=True)
    available: int = whole(default=0)
    held: int = whole(default=0)
    pending: int = whole(default=0)
    debt: int = whole(default=0)
    normal_last_day: date | None = None
    normal_until: datetime | None = instant(default=None)
    expiring: bool = False


class Lot(Table, table=True):
    """Points that were given together and lapse together; `remaining` is the sum of their entries in `available`.

    A limited-time lot has a term of its own (PT-11), a normal one that of its member (PT-10).
    """

    __tablename__ = "lots"
    __table_args__ = (
        sa.CheckConstraint("points > 0 and remaining between 0 and points", "lots_remaining"),
        sa.CheckConstraint("kind in ('normal', 'limited')", "lots_kind"),
        sa.CheckConstraint("(kind = 'limited') = (expires_at is not null)", "lots_limited_end"),
        sa.CheckConstraint("(expires_at is null) = (last_day is null)", "lots_term_whole"),
        sa.Index("lots_spendable", "member_id", postgresql_where=sa.text("spendable")),
        sa.Index("lots_expiring", "expires_at", postgresql_where=sa.text("spendable and expires_at is not null")),
    )

    lot_id: str = text(primary_key=True)
    member_id: str = text(foreign_key="points.balances.member_id")
    kind: LotKind = text()
    points: int = whole()
    remaining: int = whole(default=0)
    order_id: str | None = text(default=None)
    campaign_id: str | None = text(default=None)
    last_day: date | None = None
    expires_at: datetime | None = instant(default=None)
    granted_at: datetime = instant()
    # Stored, and not `remaining > 0` in the indexes, so that most changes of `remaining` leave the indexes alone.
    spendable: bool | None = Field(
        default=None, sa_column=sa.Column(sa.Boolean, sa.Computed("remaining > 0", persisted=True))
    )


class Entry(Table, table=True):
    """Points that went from one account to another. Never changed, never deleted.

    Attributes:
        follows: the entry that brought the points to where this one takes them from, or that this one undoes.
    """

    __tablename__ = "entries"
    __table_args__ = (
        sa.CheckConstraint("points > 0", "entries_positive"),
        sa.CheckConstraint(
            "(kind, debit, credit) in ("
            + ", ".join(f"('{move.kind}', '{move.debit}', '{move.credit}')" for move in Move)
            + ")",
            "entries_moves",
        ),
        sa.CheckConstraint("lot_id is not null or kind in ('pending', 'pending-ended')", "entries_name_their_lot"),
        sa.CheckConstraint(
            "follows is not null or kind not in ('released', 'spent', 'given-back', 'reversed', 'owed')",
            "entries_name_what_they_end",
        ),
        sa.CheckConstraint(
            "part_id is not null or kind not in ('held', 'released', 'spent', 'given-back')", "entries_name_their_part"
        ),
        sa.UniqueConstraint("entry_id", name="entries_entry_id"),
        sa.Index("entries_of_member", "member_id", sa.text("position desc")),
        sa.Index("entries_of_order", "order_id", postgresql_where=sa.text("order_id is not null")),
        sa.Index("entries_hold_ends_once", "follows", unique=True, postgresql_where=sa.text("debit = 'held'")),
        sa.Index(
            "entries_grant_once",
            "order_id",
            unique=True,
            postgresql_where=sa.text("debit = 'pending' and credit = 'available'"),
        ),
    )

    position: int | None = Field(
        default=None, sa_column=sa.Column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    )
    entry_id: uuid.UUID | None = Field(
        default=None, sa_column=sa.Column(sa.Uuid, server_default=sa.text("uuidv7()"), nullable=False)
    )
    posted_at: datetime = instant()
    member_id: str = text(foreign_key="points.balances.member_id")
    kind: str = text()
    debit: str = text()
    credit: str = text()
    points: int = whole()
    lot_id: str | None = text(default=None, foreign_key="points.lots.lot_id")
    order_id: str | None = text(default=None)
    attempt: int | None = whole(default=None)
    part_id: str | None = text(default=None)
    follows: int | None = whole(default=None, foreign_key="points.entries.position")


class Activity(Table, table=True):
    """What keeps a member's normal points alive: a confirmed order, a redemption; a cancelled one no longer counts."""

    __tablename__ = "activities"
    __table_args__ = (
        sa.CheckConstraint("kind in ('order', 'redemption')", "activities_kind"),
        sa.PrimaryKeyConstraint("member_id", "ref", "kind"),
    )

    member_id: str = text(primary_key=True, foreign_key="points.balances.member_id")
    ref: str = text(primary_key=True)
    kind: ActivityKind = text(primary_key=True)
    happened_at: datetime = instant()
    last_day: date
    until: datetime = instant()
    cancelled_at: datetime | None = instant(default=None)
