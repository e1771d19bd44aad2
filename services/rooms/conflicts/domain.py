"""Clashes over the contractor's seat: the holder releases it, or an operator decides; nobody takes it (RM-06)."""

from collections.abc import Collection

import sqlalchemy as sa

from services.chassis.errors import Changed, Kind, NotFound, RuumError
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.chassis.jst import jst_date
from services.rooms.codes.domain import LeaseOver
from services.rooms.conflicts import repository
from services.rooms.conflicts.models import Conflict, Outcome
from services.rooms.leases.domain import OfRoom
from services.rooms.members.domain import seat, unseat
from services.rooms.members.repository import seat_of


class ConflictSettled(RuumError):
    """The claim has its outcome already."""

    kind = Kind.REFUSED
    code = "conflict-already-settled"


class ContractorConflictOpened(OfRoom):
    conflict_id: str
    holder_member_id: str


class ContractorConflictSettled(OfRoom):
    conflict_id: str
    outcome: str


class SettleConflict(Command):
    conflict_id: str
    grant_to_claimant: bool
    reason: str


class Conflicts(Verbs):
    """Keeps the claims."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    async def claim(self, work: Work, lease_id: str, room_id: str, holder_id: str) -> str:
        """Opens the caller's claim on a seat that another holds, or joins the one that is open. Returns its id."""
        conflict = Conflict.make(
            id=new_id("cnf"),
            lease_id=lease_id,
            claimant_id=work.caller.name,
            holder_id=holder_id,
            opened_at=work.now,
        )
        conflict_id, new = await repository.open_claim(work.tx, conflict)
        if new:
            about = {"member_id": work.caller.name, "conflict_id": conflict_id, "holder_member_id": holder_id}
            work.tell(ContractorConflictOpened.of(room_id, **about))
        return conflict_id

    async def release(self, work: Work, room_id: str, lease_ids: Collection[str]) -> None:
        """Ends all claims on seats that have become free: who claimed one may register now."""
        await self._end(work, room_id, repository.all_on(lease_ids), Outcome.RELEASED)

    @command
    async def settle(self, work: Work, command: SettleConflict) -> None:
        """An operator, who has checked the person, gives the seat to the claimant or leaves it (RM-06).

        Raises:
            NotFound: there is no such claim.
            ConflictSettled: it has an outcome.
            LeaseOver: there is no longer a seat to give.
        """
        conflict = await repository.lock(work.tx, command.conflict_id, jst_date(work.now))
        if conflict is None:
            raise NotFound(field="conflict_id")
        this = repository.one(command.conflict_id)
        outcome = Outcome.GRANTED if command.grant_to_claimant else Outcome.REFUSED
        if not await self._end(work, conflict["room_id"], this, outcome, command.reason):
            raise ConflictSettled
        if command.grant_to_claimant:
            await self._give_seat(work, conflict)

    async def _give_seat(self, work: Work, conflict: sa.RowMapping) -> None:
        if conflict["over"]:
            raise LeaseOver
        lease_id, room_id, claimant_id = conflict["lease_id"], conflict["room_id"], conflict["claimant_id"]
        # The claimant may have been invited meanwhile: then the family's place ends with the holder's.
        await unseat(work, room_id, seat_of(lease_id, claimant_id))
        if not await seat(work, lease_id, room_id, claimant_id):
            raise Changed
        await self._end(work, room_id, repository.all_on([lease_id]), Outcome.REFUSED)

    async def _end(
        self,
        work: Work,
        room_id: str,
        which: repository.Which,
        outcome: Outcome,
        reason: str = "",
    ) -> bool:
        settled = await repository.settle(work.tx, which, outcome, work.now, work.caller.principal, reason)
        for conflict_id, claimant_id in settled:
            about = {"member_id": claimant_id, "conflict_id": conflict_id, "outcome": outcome}
            work.tell(ContractorConflictSettled.of(room_id, **about))
        return bool(settled)
