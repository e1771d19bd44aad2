"""What a member has in which room, and may do there (RM-05, RM-20, RM-22, RM-23)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.chassis.caller import Caller
from services.chassis.errors import NotFound
from services.chassis.idempotency import Commands, Work
from services.chassis.ids import new_id
from services.chassis.jst import end_of_day, jst_date
from services.chassis.pages import Listed, Page
from services.rooms.leases.domain import OfRoom
from services.rooms.leases.models import Address
from services.rooms.members import repository
from services.rooms.members.models import Action, MemberKind, Membership, Place, Refusal
from services.rooms.settings import Rules


class Registered(BaseModel):
    """A registration of somebody in a room."""

    model_config = ConfigDict(frozen=True)

    member_id: str
    kind: MemberKind
    lease_code: str = ""
    registered_at: AwareDatetime
    removed_at: AwareDatetime | None
    removed_by: str | None


class Permission(BaseModel):
    """Whether something may be done in a room; where that is, is only said to whom the room is open (RM-22).

    Attributes:
        valid_until: the answer may be kept until then.
    """

    model_config = ConfigDict(frozen=True)

    refusal: Refusal | None
    kind: MemberKind
    lease_id: str
    lease_version: int
    valid_until: AwareDatetime
    building_code: str = ""
    building_name: str = ""
    room_number: str = ""
    e_touch: bool = False
    address: Address | None = None

    @property
    def allowed(self) -> bool:
        return self.refusal is None


class RoomRegistered(OfRoom):
    pass


class MemberRemoved(OfRoom):
    """Access ended with this (RM-22)."""


class AccessSuspended(OfRoom):
    """The contractor left, so this member's access is suspended (RM-21)."""


async def seat(work: Work, lease_id: str, room_id: str, member_id: str) -> bool:
    """Registers a lease's contractor. Returns false when the seat, or the member's own place, is taken (RM-06)."""
    registered = Membership.make(
        id=new_id("mbs"), lease_id=lease_id, member_id=member_id, contractor=True, registered_at=work.now
    )
    taken = await repository.add(work.tx, registered)
    if taken:
        work.tell(RoomRegistered.of(room_id, member_id=member_id))
    return taken


async def unseat(work: Work, room_id: str, which: repository.Which) -> Sequence[sa.RowMapping]:
    """Ends registrations of a room, and tells whose family's access is suspended by that (RM-21). Returns them."""
    ended = await repository.end(work.tx, which, work.now, work.caller.principal)
    left = {row["lease_id"] for row in ended if row["contractor"]}
    family = await repository.living(work.tx, left) if left else []
    work.tell(*(MemberRemoved.of(room_id, member_id=row["member_id"]) for row in ended))
    work.tell(*(AccessSuspended.of(room_id, member_id=row["member_id"]) for row in family))
    return ended


class Members:
    """Answers who belongs to which room as what; nothing here changes anything."""

    def __init__(self, commands: Commands, rules: Rules) -> None:
        self.commands = commands
        self._rules = rules

    async def permission(self, member_id: str, room_id: str, action: Action, as_of: datetime | None) -> Permission:
        """Whether a member may do something in a room now, by the table of RM-05; one statement.

        Raises:
            NotFound: the member does not belong to the room, or no longer (PR-15).
        """
        at = as_of or self.commands.clock.now()
        async with self.commands.database.reading() as session:
            place = await repository.place(session, member_id, room_id, jst_date(at))
        if place is None:
            raise NotFound
        # Leases begin and end at midnight, so no answer is kept beyond it (RM-22).
        until = min(at + self._rules.permission_lifetime, end_of_day(jst_date(at)))
        where: dict[str, Any] = {}
        if place.open:
            where = place.model_dump(include={"building_code", "building_name", "room_number", "e_touch"})
            where["address"] = place.address
        return Permission(
            refusal=place.refusal(action),
            kind=place.kind,
            lease_id=place.lease_id,
            lease_version=place.lease_version,
            valid_until=until,
            **where,
        )

    async def rooms(self, caller: Caller, page: Page) -> Listed[Place]:
        """The rooms that the caller has access to (RM-20).

        Raises:
            InvalidField: the cursor was not issued by us.
        """
        async with self.commands.database.reading() as session:
            places = await repository.places(session, caller.name, jst_date(self.commands.clock.now()), page)
        return page.listed(places, lambda place: (place.membership_id,))

    async def room(self, caller: Caller, room_id: str) -> Place:
        """One room of the caller.

        Raises:
            NotFound: the caller has no access to it (PR-15).
        """
        async with self.commands.database.reading() as session:
            place = await repository.place(session, caller.name, room_id, jst_date(self.commands.clock.now()))
        if place is None or not place.open:
            raise NotFound
        return place

    async def household(self, caller: Caller, room_id: str, page: Page) -> Listed[Registered]:
        """Whom the caller may remove: a contractor everybody of the lease, others themselves (RM-21).

        Raises:
            NotFound: the caller has no access to the room (PR-15).
            InvalidField: the cursor was not issued by us.
        """
        place = await self.room(caller, room_id)
        only = None if place.refusal(Action.REMOVE_OTHERS) is None else caller.name
        async with self.commands.database.reading() as session:
            found = await repository.household(session, place.lease_id, only, page)
        return _listed(page, found)

    async def history(self, room_id: str, at: datetime | None, page: Page) -> Listed[Registered]:
        """All registrations of a room, or those with access at an instant, newest first (RM-23).

        Raises:
            InvalidField: the cursor was not issued by us.
        """
        async with self.commands.database.reading() as session:
            if at is None:
                found = await repository.registrations(session, room_id, page)
            else:
                found = await repository.accesses(session, room_id, at, page)
        return _listed(page, found)

    async def contractor(self, room_id: str) -> str | None:
        """The registered contractor of the lease that runs in a room (SK-02)."""
        async with self.commands.database.reading() as session:
            return await repository.contractor(session, room_id, jst_date(self.commands.clock.now()))


def _listed(page: Page, rows: Sequence[sa.RowMapping]) -> Listed[Registered]:
    return page.listed(rows, lambda row: (row["id"],)).map(_registered)


def _registered(row: sa.RowMapping) -> Registered:
    kind = MemberKind.of(contractor=row["contractor"], corporate=row["corporate"])
    return Registered.model_validate({**row, "kind": kind})
