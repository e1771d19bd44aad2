"""Registering a room with a code pair, and removing registrations (RM-02, RM-03, RM-14, RM-21)."""

import sqlalchemy as sa
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.caller import Caller
from services.chassis.errors import Kind, NotFound, RuumError
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.jst import jst_date
from services.rooms.codes.domain import Codes, CodesWrong, Typed
from services.rooms.conflicts.domain import Conflicts
from services.rooms.leases.models import initials
from services.rooms.members import repository
from services.rooms.members.domain import seat, unseat
from services.rooms.members.models import MemberKind, Place


class PreviewOutdated(RuumError):
    """What the member confirmed is not what the codes open now (RM-02)."""

    kind = Kind.CHANGED
    code = "room-preview-outdated"


class AlreadyRegistered(RuumError):
    """The member belongs to this lease already."""

    kind = Kind.REFUSED
    code = "room-already-registered"


class SeatTaken(RuumError):
    """Somebody else is registered as contractor: a claim is open now (RM-06)."""

    kind = Kind.REFUSED
    code = "contractor-seat-taken"


class OnlyContractorRemoves(RuumError):
    """Only the contractor removes others from a room (RM-21)."""

    kind = Kind.NOT_ALLOWED
    code = "only-contractor-removes"


class Preview(BaseModel):
    """A room before it is registered, masked (RM-02)."""

    building_name: str
    room_number: str
    contractor_initials: str
    kind: MemberKind
    preview_id: str


class RegisterRoom(Typed, Command):
    client: str = Field(exclude=True)
    """No part of what is asked: who moves from one network to another and asks again means the same."""
    preview_id: str


class RemoveMembers(Command):
    room_id: str
    member_ids: tuple[str, ...]


class Attempt(BaseModel):
    """What an attempt to register led to: a place, a claim, or, with neither, a wrong pair that was counted."""

    place: Place | None = None
    conflict_id: str = ""


class Registration(Verbs):
    """Lets people into rooms and out of them."""

    def __init__(self, commands: Commands, codes: Codes, conflicts: Conflicts) -> None:
        self.commands = commands
        self._codes = codes
        self._conflicts = conflicts

    async def preview(self, caller: Caller, typed: Typed) -> Preview:
        """What a code pair would register, masked (RM-02).

        Raises:
            OldServiceEnded, CodeMalformed, LinkUnknown: our pairs are not written like this.
            CodesWrong: it opens nothing, which was counted.
            TooManyWrongCodes: there were too many of them.
        """
        now = self.commands.clock.now()

        async def look(tx: AsyncSession) -> Preview | None:
            lease = await self._codes.prove(tx, caller, typed, now)
            return None if lease is None else self._preview(caller, lease)

        preview = await self.commands.database.transact(look)
        if preview is None:
            raise CodesWrong
        return preview

    def _preview(self, caller: Caller, lease: sa.RowMapping) -> Preview:
        return Preview(
            building_name=lease["building_name"],
            room_number=lease["room_number"],
            contractor_initials=initials(lease["contractor_name"], corporate=lease["corporate"]),
            kind=MemberKind.of(contractor=True, corporate=lease["corporate"]),
            preview_id=self._codes.shown(caller, lease),
        )

    async def register(self, caller: Caller, asked: RegisterRoom) -> Place:
        """Registers the caller as contractor of the lease that the pair opens, also before it begins (RM-03, RM-14).

        Raises:
            OldServiceEnded, CodeMalformed, LinkUnknown, CodesWrong, TooManyWrongCodes: as `preview`.
            PreviewOutdated: another room, lease or version was shown.
            AlreadyRegistered: the caller belongs to the lease.
            SeatTaken: somebody else is its contractor; a claim is open now.
        """
        attempt = await self._attempt(caller, asked)
        if attempt.place is not None:
            return attempt.place
        if attempt.conflict_id:
            raise SeatTaken(conflict_id=attempt.conflict_id)
        raise CodesWrong

    @command
    async def _attempt(self, work: Work, command: RegisterRoom) -> Attempt:
        """What fails here and must be kept, a count or a claim, is an answer: an exception would undo it."""
        lease = await self._codes.prove(work.tx, work.caller, command, work.now)
        if lease is None:
            return Attempt()
        if command.preview_id != self._codes.shown(work.caller, lease):
            raise PreviewOutdated
        lease_id, room_id, member_id = lease["id"], lease["room_id"], work.caller.name
        if await seat(work, lease_id, room_id, member_id):
            place = await repository.place(work.tx, member_id, room_id, jst_date(work.now))
            return Attempt(place=place)
        holders = {row["member_id"]: row["contractor"] for row in await repository.living(work.tx, [lease_id])}
        if member_id in holders:
            raise AlreadyRegistered
        holder_id = next(holder for holder, contractor in holders.items() if contractor)
        return Attempt(conflict_id=await self._conflicts.claim(work, lease_id, room_id, holder_id))

    @command
    async def remove(self, work: Work, command: RemoveMembers) -> list[str]:
        """Ends registrations: of anybody for the contractor or an operator, else only one's own (RM-21).

        Raises:
            NotFound: the caller, or somebody named, does not belong to the room; nothing is changed (PR-15).
            OnlyContractorRemoves: the caller is not its contractor and names others.
        """
        await repository.lock_room(work.tx, command.room_id)
        which = repository.named(command.room_id, command.member_ids)
        if work.caller.role != "operator":
            which = repository.within_reach(which, work.caller.name, await self._ruled(work, command))
        ended = await unseat(work, command.room_id, which)
        if {row["member_id"] for row in ended} != set(command.member_ids):
            raise NotFound(field="member_ids")
        await self._conflicts.release(work, command.room_id, {row["lease_id"] for row in ended if row["contractor"]})
        return sorted(set(command.member_ids))

    async def _ruled(self, work: Work, command: RemoveMembers) -> list[str]:
        """The leases under which the calling member may end anybody's registration."""
        me, day = work.caller.name, jst_date(work.now)
        ruled = await repository.ruled_leases(work.tx, me, command.room_id, day)
        if not ruled and set(command.member_ids) != {me}:
            place = await repository.place(work.tx, me, command.room_id, day)
            raise OnlyContractorRemoves if place and place.open else NotFound
        return ruled
