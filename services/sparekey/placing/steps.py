"""What the order's process says of placing it: it is placed, or it is a draft again (SK-27, SK-28, ST-23)."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from services.chassis.caller import Caller
from services.chassis.idempotency import Commands, Verbs, Work, command
from services.sparekey.cases import repository
from services.sparekey.cases.changes import PROCESS, Change, change
from services.sparekey.cases.events import KeyOrdered
from services.sparekey.cases.models import Case, Columns
from services.sparekey.cases.transitions import Cause, State, TransitionImpossible
from services.sparekey.cases.waiting import Waiting
from services.sparekey.placing import repository as placements
from services.sparekey.ports import Order, Store
from services.sparekey.steps.domain import Step


class ConfirmPlaced(Step):
    pass


class AbandonPlaced(Step):
    """`attempt`: which try is undone; 0 is the present one."""

    reason: str
    attempt: int = 0


class PlacingSteps(Verbs):
    """Ends a try of placing, one way or the other."""

    def __init__(self, commands: Commands, store: Store, waiting: Waiting) -> None:
        self.commands = commands
        self._store = store
        self._waiting = waiting

    async def confirm(self, caller: Caller, step: ConfirmPlaced) -> Case:
        """The order is placed: from here the key's case runs (SK-27, SK-28).

        Raises:
            TransitionImpossible: it is a draft again.
        """
        await self._confirm(caller, step, await self._store.order(step.order_id))
        return await repository.read(self.commands.database, step.order_id)

    @command
    async def _confirm(self, work: Work, step: ConfirmPlaced, order: Order) -> None:
        case = await change(work, step.order_id, partial(self._confirmed, work.now, order))
        await _settle(work, case.order_id, case.attempt, "placed", number=order.order_number)

    def _confirmed(self, now: datetime, order: Order, case: Case) -> Change | None:
        if case.placed_at is not None:
            return None
        promised_on = order.promised_on or self._waiting.promise(now)
        begun: Columns = {"placed_at": now, "check_round": 1, "wish_date": order.wish_date}
        return Change(
            Cause.CONFIRMED,
            State.CHECKING,
            set={**begun, "promised_on": promised_on, **self._waiting.for_maker(now)},
            told="key-ordered",
            params={"promised_on": promised_on.isoformat()},
            fact=partial(
                KeyOrdered.of,
                room_id=case.room_id,
                promised_dispatch_on=promised_on,
                contractor_member_id=case.contractor_id,
            ),
        )

    async def abandon(self, caller: Caller, step: AbandonPlaced) -> Case:
        """The order was not placed: the draft is open again, for another means or another day (ST-23).

        Done by where the case stands, since the process of another try may name its step alike.

        Raises:
            TransitionImpossible: the order was placed.
        """
        case = await repository.read(self.commands.database, step.order_id)
        of_try = {"request_id": f"{step.request_id}/{case.attempt}"} if not step.attempt else {}
        if case.state != State.DRAFT:
            await self._abandon(caller, step.model_copy(update=of_try))
        return await repository.read(self.commands.database, step.order_id)

    @command
    async def _abandon(self, work: Work, step: AbandonPlaced) -> None:
        attempt = step.attempt or (await repository.found(work.tx, step.order_id)).attempt
        await change(work, step.order_id, partial(_abandoned, attempt))
        await _settle(work, step.order_id, attempt, "declined", code=step.reason)


def _abandoned(attempt: int, case: Case) -> Change | None:
    if case.state == State.DRAFT or case.attempt != attempt:
        return None
    if case.state != State.PLACING:
        raise TransitionImpossible(state=case.state)
    return Change(Cause.ABANDONED, State.DRAFT)


async def _settle(work: Work, order_id: str, attempt: int, outcome: str, *, code: str = "", number: str = "") -> None:
    await placements.begun(work.tx, f"{PROCESS}/{order_id}")
    await placements.settle(work.tx, order_id, attempt, outcome, work.now, code=code, number=number)
