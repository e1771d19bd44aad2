"""Before a key leaves: a look at lease and membership, and again whenever the room may have changed (SK-05, SK-36).

A look asks rooms, which no transaction may wait for: whoever hears of a change notes that a look is due, and the
order's process has it looked at. What counts is how the room is then, so that events may be doubled, late or mistaken.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

import sqlalchemy as sa
from pydantic import BaseModel
from sqlmodel import col

from services.chassis.caller import Caller
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.jst import jst_date
from services.sparekey.calls import repository as calls
from services.sparekey.cases import repository
from services.sparekey.cases.changes import Change, change, poke
from services.sparekey.cases.models import Case, Columns
from services.sparekey.cases.transitions import Cause, State
from services.sparekey.cases.waiting import Waiting
from services.sparekey.making.domain import Making
from services.sparekey.making.verdicts import ADDRESS_CHANGED, call_back, stop
from services.sparekey.ports import Permission, Rooms, mark
from services.sparekey.steps.domain import Step, Steps


class CheckDispatch(Step):
    pass


class LookAgain(Command):
    pass


class LooksDue(BaseModel):
    keys: int


@dataclass(frozen=True)
class _Look:
    """What rooms answered, and for which case as it was then; `told`: mark of the address that the maker was told."""

    permission: Permission
    case: Case
    told: str

    @property
    def objection(self) -> str:
        """Why the key must not go where the maker was told; empty when it may."""
        if not self.permission.allowed:
            return self.permission.refusal
        return ADDRESS_CHANGED if self.told and self.told != mark(self.permission.address) else ""


class Dispatch(Verbs):
    """Keys that lie at the maker, ready to leave or told to."""

    def __init__(self, commands: Commands, steps: Steps, making: Making, rooms: Rooms, waiting: Waiting) -> None:
        self.commands = commands
        self._steps = steps
        self._making = making
        self._rooms = rooms
        self._waiting = waiting

    async def room_changed(self, work: Work, room_id: str, member_id: str = "") -> None:
        """Something of a room, or of one member's place in it, is not as it was."""
        whose = [col(Case.member_id) == member_id] if member_id else []
        await self._due(work, col(Case.room_id) == room_id, *whose)

    async def address_changed(self, work: Work, building_code: str) -> None:
        """The address of a building has changed."""
        await self._due(work, col(Case.building_code) == building_code)

    @command
    async def look_again(self, work: Work, asked: LookAgain) -> LooksDue:  # noqa: ARG002  # it says only when
        """A day has begun: nobody tells of a lease that ended with the last one (RM-22)."""
        return LooksDue(keys=await self._due(work))

    async def _due(self, work: Work, *which: sa.ColumnElement[bool]) -> int:
        orders = await repository.look_again(work.tx, *which)
        for order_id in orders:
            poke(work, order_id)
        return len(orders)

    async def check_dispatch(self, caller: Caller, step: CheckDispatch) -> Case:
        """Lets a ready key go on to its payment, leaves a key on its way that was let go, or stops it.

        Raises:
            Unavailable: rooms cannot answer; nothing leaves that was not told to.
            MakerRefused, StillRunning: of the stop at the maker, as `Making.carry_out`.
        """
        before = await self._steps.case(step.order_id)
        permission = await self._rooms.may_order_keys(before.member_id, before.room_id)
        await self._look(caller, step, before, permission)
        after = await self._steps.case(step.order_id)
        if after.state != State.STOPPED:
            return after
        await self._making.begin(step.order_id)
        return await self._steps.case(step.order_id)

    @command
    async def _look(self, work: Work, step: CheckDispatch, before: Case, permission: Permission) -> None:
        look = _Look(permission, before, await calls.goes_to(work.tx, step.order_id))
        await change(work, step.order_id, partial(self._looked, look, work.now))

    def _looked(self, look: _Look, now: datetime, case: Case) -> Change | None:
        if case.told_to_leave:
            found = call_back(case, look.objection) if look.objection else None
        else:
            found = self._leaves(look.permission, now, case)
        # What changed after rooms was asked is still to be looked at.
        if found is None and case.look_due and case.version == look.case.version:
            return Change(Cause.NOTED, case.state, set={"look_due": False})
        return found

    def _leaves(self, permission: Permission, now: datetime, case: Case) -> Change | None:
        if case.state != State.READY:
            return None
        if case.frozen:
            return stop(case, case.reason)
        if not permission.allowed:
            return stop(case, permission.refusal)
        if case.wish_date is not None:
            leaves_at = self._waiting.leaves_at(case.wish_date)
            # Too late for the day wished for: another is asked for, once.
            if case.wish_asked or jst_date(now) > jst_date(leaves_at):
                return None if case.wish_asked else self._asks_for_wish(now)
            if now < leaves_at:
                waits = Change(Cause.NOTED, State.READY, set={"deadline": leaves_at})
                return None if case.deadline == leaves_at else waits
        patience = self._waiting.silence(now, self._waiting.rules.payment_business_days)
        return Change(Cause.CLEARED, State.CLEARED, set=patience)

    def _asks_for_wish(self, now: datetime) -> Change:
        waits: Columns = {"wish_asked": True, **self._waiting.for_wish(now)}
        return Change(Cause.NOTED, State.READY, set=waits, told="key-wish-date-passed", fact=self._waiting.asked)
