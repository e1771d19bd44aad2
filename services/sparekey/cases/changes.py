"""How a case changes: somebody decides from what they read, and a conditional UPDATE decides who was first (PR-06)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.chassis.events import ProcessLine
from services.chassis.idempotency import Work
from services.sparekey.calls import repository as calls
from services.sparekey.calls.models import Call, Verb
from services.sparekey.cases import repository
from services.sparekey.cases.events import OfOrder
from services.sparekey.cases.models import Case, Columns, Entry
from services.sparekey.cases.transitions import Cause, State, TransitionImpossible, leads
from services.sparekey.cases.waiting import NOTHING

PROCESS = "sparekey-order"
POKE = "case_changed"


@dataclass(frozen=True)
class Change:
    """What is to become of a case.

    Attributes:
        to: the state it enters; where it stays, what it waits for stays too, but for what `set` says.
        told: line of the timeline, with its parameters: days, instants and ids only.
        at: when it happened, where that is not now.
        fact: makes the event, of the case as it is then.
        asks: what the maker is to be asked because of it; one question for each version of a case.
        withdraws: what it is no longer to be asked.
    """

    cause: Cause
    to: State
    set: Columns = field(default_factory=Columns)
    told: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None
    fact: Callable[[Case], OfOrder] | None = None
    asks: Verb | None = None
    withdraws: tuple[Verb, ...] = ()


Decide = Callable[[Case], Change | None]


async def change(work: Work, order_id: str, decide: Decide) -> Case:
    """Changes a case as `decide` says of it; whoever comes second decides anew from what the first has left.

    What `decide` raises, this raises; where it answers nothing, nothing is changed.

    Raises:
        NotFound: there is no such case.
        TransitionImpossible: the table of transitions does not have it.
    """
    while True:
        case = await repository.found(work.tx, order_id)
        change = decide(case)
        if change is None:
            return case
        moved = await _moved(work, case, change)
        # Nothing when somebody else's change came first: then it is decided anew on what that has left.
        if moved is not None:
            return moved


async def _moved(work: Work, case: Case, change: Change) -> Case | None:
    if not leads(case.state, change.cause, change.to):
        raise TransitionImpossible(state=case.state)
    # A process's clock may be behind the one that the change before was stamped with: the story goes on all the same.
    now = max(work.now, case.touched_at)
    entering: Columns = {} if change.to == case.state else {**NOTHING, "state": change.to, "entered_at": now}
    moved = await repository.move(work.tx, case, {**entering, **change.set, "touched_at": now})
    if moved is not None:
        await _tell(work, moved, change)
        await _ask(work, moved, change)
    return moved


async def _tell(work: Work, case: Case, change: Change) -> None:
    if change.told:
        entry = Entry.make(
            order_id=case.order_id, code=change.told, at=change.at or case.touched_at, params=dict(change.params)
        )
        await repository.tell(work.tx, [entry])
    if change.fact is not None:
        work.tell(change.fact(case))


async def _ask(work: Work, case: Case, change: Change) -> None:
    if change.withdraws:
        await calls.withdraw(work.tx, case.order_id, change.withdraws, work.now)
    if change.asks is not None:
        await calls.open_call(work.tx, Call.to_be_made(case.order_id, change.asks, case.version, work.now))


def poke(work: Work, order_id: str) -> None:
    """Has the order's process look at the case again, after a change that it did not ask for."""
    work.run(ProcessLine(process=PROCESS, key=order_id, action=POKE))
