"""Who belongs to a room as what, and the one table of what each kind of member may do there (RM-04, RM-05)."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Self

import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.chassis.columns import instant, text
from services.rooms.leases.models import Address
from services.rooms.models import Table


class MemberKind(StrEnum):
    """What a member is in a room. Who belongs to none is a general member."""

    PRIMARY = "primary"
    FAMILY = "family"
    CORPORATE = "corporate"
    CORPORATE_FAMILY = "corporate-family"

    @classmethod
    def of(cls, *, contractor: bool, corporate: bool) -> Self:
        """The kind that the lease and the way into the room give (RM-04)."""
        if corporate:
            return cls(cls.CORPORATE if contractor else cls.CORPORATE_FAMILY)
        return cls(cls.PRIMARY if contractor else cls.FAMILY)


class Action(StrEnum):
    """What can be done in a room."""

    VIEW_ROOM = "view-room"
    VIEW_STATEMENT = "view-statement"
    INQUIRE = "inquire"
    ORDER_KEYS = "order-keys"
    INVITE = "invite"
    REMOVE_OTHERS = "remove-others"
    CHANGE_PAYMENT_METHOD = "change-payment-method"
    END_LEASE = "end-lease"


_CONTRACTORS = frozenset({MemberKind.PRIMARY, MemberKind.CORPORATE})
_EVERYBODY = frozenset(MemberKind)
PERMITTED: Mapping[Action, frozenset[MemberKind]] = {
    Action.VIEW_ROOM: _EVERYBODY,
    Action.VIEW_STATEMENT: _EVERYBODY,
    Action.INQUIRE: _EVERYBODY,
    Action.ORDER_KEYS: _EVERYBODY,
    Action.INVITE: _CONTRACTORS,
    Action.REMOVE_OTHERS: _CONTRACTORS,
    Action.CHANGE_PAYMENT_METHOD: _CONTRACTORS,
    Action.END_LEASE: _CONTRACTORS,
}
NEEDS_RUNNING_LEASE = frozenset({Action.VIEW_STATEMENT, Action.ORDER_KEYS, Action.END_LEASE})


class Refusal(StrEnum):
    """Why one who belongs to a room may not do something there."""

    LEASE_ENDED = "lease-ended"
    CONTRACTOR_LEFT = "contractor-left"
    KIND_MAY_NOT = "kind-may-not"
    LEASE_NOT_BEGUN = "lease-not-begun"


class Membership(Table, table=True):
    """A member's registration under a lease; it is ended and never deleted (RM-23)."""

    __tablename__ = "memberships"
    __table_args__ = (
        sa.Index(
            "memberships_one_contractor",
            "lease_id",
            unique=True,
            postgresql_where=sa.text("contractor and removed_at is null"),
        ),
        sa.Index(
            "memberships_once",
            "member_id",
            "lease_id",
            unique=True,
            postgresql_where=sa.text("removed_at is null"),
        ),
        sa.Index("memberships_of_lease", "lease_id"),
        sa.CheckConstraint("(removed_at is null) = (removed_by is null)", name="memberships_removed"),
    )

    id: str = text(primary_key=True)
    lease_id: str = text(foreign_key="rooms.leases.id")
    member_id: str = text(min_length=1)
    contractor: bool
    registered_at: AwareDatetime = instant()
    removed_at: AwareDatetime | None = instant(default=None)
    removed_by: str | None = text(default=None)


class Place(BaseModel):
    """A member's place in a room on a day in Japan.

    Attributes:
        over: the lease has ended, or the room is let to others.
        begun: the lease has reached its first day.
        contractor_left: the family's access is suspended, since nobody is registered as contractor (RM-21).
    """

    model_config = ConfigDict(frozen=True)

    membership_id: str
    room_id: str
    room_number: str
    contractor: bool
    corporate: bool
    registered_at: AwareDatetime
    lease_id: str
    lease_version: int
    lease_starts_on: date
    lease_ends_on: date | None
    over: bool
    begun: bool
    contractor_left: bool
    building_code: str
    building_name: str
    postal_code: str
    prefecture: str
    city: str
    street: str
    e_touch: bool
    contact_phone: str

    @property
    def kind(self) -> MemberKind:
        return MemberKind.of(contractor=self.contractor, corporate=self.corporate)

    @property
    def address(self) -> Address:
        """The only place where a key for the room may go (SK-05)."""
        return Address(
            postal_code=self.postal_code,
            prefecture=self.prefecture,
            city=self.city,
            street=self.street,
            building=f"{self.building_name} {self.room_number}",
        )

    @property
    def open(self) -> bool:
        """Whether the member has access at all."""
        return not self.over and not self.contractor_left

    @property
    def actions(self) -> list[Action]:
        return [action for action in Action if self.refusal(action) is None]

    def refusal(self, action: Action) -> Refusal | None:
        """Why `action` is refused here, by the table of RM-05; nothing when it is allowed."""
        if self.over:
            return Refusal.LEASE_ENDED
        if self.contractor_left:
            return Refusal.CONTRACTOR_LEFT
        if self.kind not in PERMITTED[action]:
            return Refusal.KIND_MAY_NOT
        if action in NEEDS_RUNNING_LEASE and not self.begun:
            return Refusal.LEASE_NOT_BEGUN
        return None
