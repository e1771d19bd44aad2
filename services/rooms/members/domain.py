"""What a member has in which room, and may do there (RM-05, RM-20, RM-22, RM-23)."""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.chassis.caller import Caller
from services.chassis.clock import Clock
from services.chassis.db import Database
from services.chassis.errors import InvalidField, NotFound
from services.chassis.events import Event
from services.chassis.idempotency import Work
from services.chassis.ids import is_id, new_id
from services.chassis.jst import end_of_day, jst_date
from services.rooms.members import repository
from services.rooms.members.models import Action, MemberKind, Membership, Place, Refusal


class Asked(BaseModel):
    """A page of a list, newest first (PR-16)."""

    cursor: str = ""
    size: int = 20

    @property
    def before(self) -> str | None:
        """The registration after which the page goes on.

        Raises:
            InvalidField: the cursor is none of ours.
        """
        if not self.cursor:
            return None
        try:
            before = base64.urlsafe_b64decode(self.cursor).decode()
        except ValueError:
            before = ""
        if not is_id(before, "mbs"):
            raise InvalidField(field="page.cursor")
        return before

    def cursor_after(self, ids: Sequence[str]) -> str:
        return base64.urlsafe_b64encode(ids[-1].encode()).decode() if len(ids) == self.size else ""


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
    """Whether something may be done in a room, and until when the answer may be kept."""

    model_config = ConfigDict(frozen=True)

    place: Place
    refusal: Refusal | None
    valid_until: AwareDatetime


class RoomRegistered(Event):
    room_id: str


class MemberRemoved(Event):
    """Access ended with this (RM-22)."""

    room_id: str


class AccessSuspended(Event):
    """The contractor left, so this member's access rests (RM-21)."""

    room_id: str


async def seat(work: Work, lease_id: str, room_id: str, member_id: str) -> bool:
    """Registers a lease's contractor. Returns false when the seat, or the member's own place, is taken (RM-06)."""
    registered = Membership.make(
        id=new_id("mbs"), lease_id=lease_id, member_id=member_id, contractor=True, registered_at=work.now
    )
    taken = await repository.add(work.tx, registered)
    if taken:
        work.tell(RoomRegistered(aggregate_id=room_id, member_id=member_id, room_id=room_id))
    return taken


async def unseat(work: Work, room_id: str, which: repository.Which) -> Sequence[sa.RowMapping]:
    """Ends registrations of a room, and says whose family's access rests with that (RM-21). Returns them."""
    ended = await repository.end(work.tx, which, work.now, work.caller.principal)
    left = {row["lease_id"] for row in ended if row["contractor"]}
    family = await repository.living(work.tx, left) if left else []
    told = {"aggregate_id": room_id, "room_id": room_id}
    work.tell(*(MemberRemoved(**told, member_id=row["member_id"]) for row in ended))
    work.tell(*(AccessSuspended(**told, member_id=row["member_id"]) for row in family))
    return ended


class Members:
    """Answers who belongs to which room as what; nothing here changes anything."""

    def __init__(self, database: Database, clock: Clock, permission_lifetime: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._permission_lifetime = permission_lifetime

    async def permission(self, member_id: str, room_id: str, action: Action, as_of: datetime | None) -> Permission:
        """Whether a member may do something in a room now, by the table of RM-05; one statement.

        Raises:
            NotFound: the member does not belong to the room, or no longer (PR-15).
        """
        at = as_of or self._clock.now()
        async with self._database.reading() as session:
            place = await repository.place(session, member_id, room_id, jst_date(at))
        if place is None:
            raise NotFound
        # Leases begin and end at midnight, so no answer is kept beyond it (RM-22).
        until = min(at + self._permission_lifetime, end_of_day(jst_date(at)))
        return Permission(place=place, refusal=place.refusal(action), valid_until=until)

    async def rooms(self, caller: Caller, page: Asked) -> tuple[list[Place], str]:
        """The rooms that the caller has access to, and the cursor of the next page (RM-20)."""
        day, before = jst_date(self._clock.now()), page.before
        async with self._database.reading() as session:
            places = await repository.places(session, caller.name, day, before, page.size)
        return places, page.cursor_after([place.membership_id for place in places])

    async def room(self, caller: Caller, room_id: str) -> Place:
        """One room of the caller.

        Raises:
            NotFound: the caller has no access to it (PR-15).
        """
        async with self._database.reading() as session:
            place = await repository.place(session, caller.name, room_id, jst_date(self._clock.now()))
        if place is None or not place.open:
            raise NotFound
        return place

    async def household(self, caller: Caller, room_id: str, page: Asked) -> tuple[list[Registered], str]:
        """Whom the caller may remove: a contractor everybody of the lease, others themselves (RM-21).

        Raises:
            NotFound: the caller has no access to the room (PR-15).
        """
        before = page.before
        place = await self.room(caller, room_id)
        only = None if place.refusal(Action.REMOVE_OTHERS) is None else caller.name
        async with self._database.reading() as session:
            found = await repository.household(session, place.lease_id, only, before, page.size)
        return _registered(found), page.cursor_after([row["id"] for row in found])

    async def history(self, room_id: str, at: datetime | None, page: Asked) -> tuple[list[Registered], str]:
        """All registrations of a room, or those with access at an instant, newest first (RM-23)."""
        before = page.before
        async with self._database.reading() as session:
            if at is None:
                found = await repository.registrations(session, room_id, before, page.size)
            else:
                found = await repository.accesses(session, room_id, at, before, page.size)
        return _registered(found), page.cursor_after([row["id"] for row in found])

    async def contractor(self, room_id: str) -> str | None:
        """The registered contractor of the lease that runs in a room (SK-02)."""
        async with self._database.reading() as session:
            return await repository.contractor(session, room_id, jst_date(self._clock.now()))


def _registered(rows: Sequence[sa.RowMapping]) -> list[Registered]:
    return [
        Registered.model_validate(
            {**row, "kind": MemberKind.of(contractor=row["contractor"], corporate=row["corporate"])}
        )
        for row in rows
    ]
