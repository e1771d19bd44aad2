"""The desk: operators' actions on running cases, and key numbers entered there (SK-14, SK-50)."""

from __future__ import annotations

from pydantic import BaseModel

from services.chassis.caller import Caller
from services.chassis.errors import Kind, NotFound, RuumError
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.chassis.pages import Listed, Page
from services.sparekey.cases import repository as cases
from services.sparekey.cases.changes import Change, change
from services.sparekey.cases.models import Case
from services.sparekey.cases.transitions import Cause
from services.sparekey.cases.waiting import Waiting
from services.sparekey.desk import repository
from services.sparekey.desk.actions import (
    ALLOWED,
    Act,
    ActAsOperator,
    OperatorActionNotPossible,
    OperatorActions,
    admit,
)
from services.sparekey.desk.models import Audit, DeskReference
from services.sparekey.making.domain import Making
from services.sparekey.numbers.domain import Vault
from services.sparekey.numbers.models import KeyNumber
from services.sparekey.ports import Permission, Rooms

RESOLVE = "resolve"
"""As the audit table calls the one action that needs no process."""


class OperatorActionUnknown(RuumError):
    """There is no such action."""

    kind = Kind.INVALID
    code = "key-operator-action-unknown"


class DeskEnterKeyNumber(Command):
    order_id: str
    key_number: str


class DeskResolve(Command):
    order_id: str
    reason: str


class Reference(BaseModel):
    reference: str


class Desk(Verbs):
    """Lets operators act; each action is copied to the audit table with what it does (OP-02)."""

    def __init__(self, commands: Commands, vault: Vault, making: Making, rooms: Rooms, waiting: Waiting) -> None:
        self.commands = commands
        self._vault = vault
        self._rooms = rooms
        self._waiting = waiting
        self._actions = OperatorActions(vault, making.verdicts, waiting)

    @command
    async def enter_number(self, work: Work, asked: DeskEnterKeyNumber) -> Reference:
        """Seals a number that a customer gave to the desk. Returns what stands for it in Temporal (SK-14).

        Raises:
            KeyNumberMalformed: it is none.
            NotFound: there is no such order, or it is not placed.
        """
        number = KeyNumber.read(asked.key_number)
        case = await cases.found(work.tx, asked.order_id)
        if case.placed_at is None:
            raise NotFound
        number_id = await self._vault.keep(work, asked.order_id, number, "desk")
        reference = DeskReference.make(
            reference=new_id("ref"),
            order_id=asked.order_id,
            number_id=number_id,
            operator=work.caller.name,
            expires_at=work.now + self._waiting.rules.desk_reference_life,
        )
        await repository.keep_reference(work.tx, reference)
        return Reference(reference=reference.reference)

    @command
    async def resolve(self, work: Work, asked: DeskResolve) -> None:
        """Puts away why a person was called to an order that has ended; its process no longer takes actions (OP-04).

        Raises:
            NotFound: there is no such order.
            OperatorActionNotPossible: it goes on, or nobody was called.
        """
        seen = await cases.found(work.tx, asked.order_id)
        await change(work, asked.order_id, _resolved)
        said = asked.model_dump(include={"order_id", "reason"})
        by = {"operator": work.caller.name, "action": RESOLVE, "case_version": seen.version, "acted_at": work.now}
        await repository.write(work.tx, Audit.make(**said, **by))

    async def cases(self, page: Page, *, needing: bool) -> Listed[Case]:
        """All cases, or those that need a person, newest first (OP-01)."""
        async with self.commands.database.reading() as session:
            found = await cases.for_operators(session, page, needing=needing)
        return page.listed(found, lambda case: (case.order_id,))

    async def act(self, caller: Caller, asked: ActAsOperator) -> Case:
        """Carries an operator's action out. Of one that needs two, the first call notes the approval.

        Raises:
            OperatorActionUnknown, OperatorActionNotPossible: it cannot be done, or not now.
            SecondOperatorNeeded: this operator has approved already.
            DeskReferenceUnknown: the reference stands for nothing.
            RoomRefuses: no redelivery for somebody who no longer lives there.
            InvalidField: an argument is missing or not possible.
        """
        if asked.action not in ALLOWED:
            raise OperatorActionUnknown(action=asked.action)
        await self._act(caller, asked, await self._permission(asked))
        return await cases.read(self.commands.database, asked.order_id)

    @command
    async def _act(self, work: Work, asked: ActAsOperator, permission: Permission | None) -> None:
        case = await cases.found(work.tx, asked.order_id)
        admit(asked.action, case)
        await self._audit(work, asked, case.version)
        await self._actions.do(Act(work, asked, permission))

    async def _permission(self, asked: ActAsOperator) -> Permission | None:
        if asked.action != "order_redelivery":
            return None
        case = await cases.read(self.commands.database, asked.order_id)
        return await self._rooms.may_order_keys(case.member_id, case.room_id)

    async def _audit(self, work: Work, asked: ActAsOperator, version: int) -> None:
        said = asked.model_dump(include={"order_id", "operator", "action", "reason", "arguments"})
        await repository.write(work.tx, Audit.make(**said, case_version=version, acted_at=work.now))


def _resolved(case: Case) -> Change:
    if not (case.ended and case.needs_operator):
        raise OperatorActionNotPossible(action=RESOLVE, state=case.state)
    return Change(Cause.NOTED, case.state, set={"needs_operator": ""})
