"""What the order's process says of placing it: it is placed, or it is a draft again (SK-27, SK-28, ST-23)."""

from __future__ import annotations

from pydantic import TypeAdapter

from services.chassis.caller import Caller
from services.chassis.errors import NotFound
from services.chassis.idempotency import Commands, Work
from services.sparekey.cases import repository
from services.sparekey.cases.changes import PROCESS, Change, change, read
from services.sparekey.cases.domain import Step
from services.sparekey.cases.events import KeyOrdered
from services.sparekey.cases.models import Case
from services.sparekey.cases.transitions import Cause, State, TransitionImpossible
from services.sparekey.cases.waiting import Waiting
from services.sparekey.placing import repository as placements
from services.sparekey.ports import Store

_NOTHING = TypeAdapter(None)


class ConfirmPlaced(Step):
    pass


class AbandonPlaced(Step):
    """`attempt`: which try is undone; 0 is the present one."""

    reason: str
    attempt: int = 0


class PlacingSteps:
    """Ends a try of placing, one way or the other."""

    def __init__(self, commands: Commands, store: Store, waiting: Waiting) -> None:
        self._commands = commands
        self._store = store
        self._waiting = waiting

    async def confirm(self, caller: Caller, step: ConfirmPlaced) -> Case:
        """The order is placed: from here the key's case runs (SK-27, SK-28).

        Raises:
            TransitionImpossible: it is a draft again.
        """
        order = await self._store.order(step.order_id)

        async def once(work: Work) -> None:
            promised_on = order.promised_on or self._waiting.promise(work.now)

            def decide(case: Case) -> Change | None:
                if case.placed_at is not None:
                    return None
                begun = {"placed_at": work.now, "check_round": 1, "wish_date": order.wish_date}
                return Change(
                    Cause.CONFIRMED,
                    State.CHECKING,
                    set={**begun, "promised_on": promised_on, **self._waiting.for_maker(work.now)},
                    told="key-ordered",
                    params={"promised_on": promised_on.isoformat()},
                    fact=KeyOrdered,
                    says={
                        "room_id": case.room_id,
                        "promised_dispatch_on": promised_on,
                        "contractor_member_id": case.contractor_id,
                    },
                )

            case = await change(work, step.order_id, decide)
            await self._settle(work, case.order_id, case.attempt, "placed", number=order.order_number)

        await self._commands.run(caller, step, _NOTHING, once)
        return await self._case(step.order_id)

    async def abandon(self, caller: Caller, step: AbandonPlaced) -> Case:
        """The order was not placed: the draft is open again, for another means or another day (ST-23).

        Done by where the case stands, since the process of another try may name its step alike.

        Raises:
            TransitionImpossible: the order was placed.
        """

        async def once(work: Work) -> None:
            attempt = step.attempt or (await read(work, step.order_id)).attempt

            def decide(case: Case) -> Change | None:
                if case.state == State.DRAFT or case.attempt != attempt:
                    return None
                if case.state != State.PLACING:
                    raise TransitionImpossible(state=case.state)
                return Change(Cause.ABANDONED, State.DRAFT)

            await change(work, step.order_id, decide)
            await self._settle(work, step.order_id, attempt, "declined", code=step.reason)

        case = await self._case(step.order_id)
        of_try = {"request_id": f"{step.request_id}/{case.attempt}"} if not step.attempt else {}
        if case.state != State.DRAFT:
            await self._commands.run(caller, step.model_copy(update=of_try), _NOTHING, once)
        return await self._case(step.order_id)

    async def _settle(
        self, work: Work, order_id: str, attempt: int, outcome: str, *, code: str = "", number: str = ""
    ) -> None:
        await placements.begun(work.tx, f"{PROCESS}/{order_id}")
        await placements.settle(work.tx, order_id, attempt, outcome, work.now, code=code, number=number)

    async def _case(self, order_id: str) -> Case:
        async with self._commands.database.reading() as session:
            case = await repository.get(session, order_id)
        if case is None:
            raise NotFound
        return case
