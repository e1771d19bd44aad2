"""The steps of the order's process, each by the state in which the case stands (SK-13 to SK-41, PR-06)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from services.chassis.caller import Caller
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.sparekey.calls import repository as calls
from services.sparekey.calls.models import Call, Verb
from services.sparekey.cases import repository
from services.sparekey.cases.changes import Change, change
from services.sparekey.cases.events import KeyDestroyed, KeyOrderCancelled, OfOrder, ReminderDue
from services.sparekey.cases.models import Case, Columns
from services.sparekey.cases.transitions import Cause, State, TransitionImpossible
from services.sparekey.cases.waiting import Waiting
from services.sparekey.making.domain import Making
from services.sparekey.making.verdicts import NOT_CONFIRMED, remade_free, stop

STORAGE_ENDED = "storage-ended"

Decide = Callable[[datetime, Case], Change | None]
"""What becomes of a case, by the time and the case as it is."""


class Step(Command):
    """One step on one case; every step answers with the case as it is afterwards."""

    order_id: str


class RequestCheck(Step):
    check_round: int


class ExpireIfWaiting(Step):
    pass


class OrderKeys(Step):
    pass


class ReleaseDispatch(Step):
    pass


class DispatchRedelivery(Step):
    redelivery: int


class StopAtMaker(Step):
    pass


class RemindMember(Step):
    reminder: str
    days: int
    redelivery: int


class CloseCase(Step):
    state: State
    reason: str


class CallOperator(Step):
    problem: str


class Steps(Verbs):
    """What the process asks for. A step that comes late or again changes nothing."""

    def __init__(self, commands: Commands, making: Making, waiting: Waiting) -> None:
        self.commands = commands
        self._making = making
        self._waiting = waiting
        self._rules = waiting.rules

    async def case(self, order_id: str) -> Case:
        """The case as it is.

        Raises:
            NotFound: there is none.
        """
        return await repository.read(self.commands.database, order_id)

    async def _changed(self, caller: Caller, step: Step, decide: Decide) -> Case:
        """Changes the case, and returns it as it is then."""
        await self._change(caller, step, decide)
        return await self.case(step.order_id)

    async def _changed_and_asked(self, caller: Caller, step: Step, decide: Decide) -> Case:
        """Changes the case, asks the maker what that calls for, and returns the case as it is then."""
        await self._change(caller, step, decide)
        await self._making.begin(step.order_id)
        return await self.case(step.order_id)

    @command
    async def _change(self, work: Work, step: Step, decide: Decide) -> None:
        await change(work, step.order_id, partial(decide, work.now))

    async def request_check(self, caller: Caller, step: RequestCheck) -> Case:
        """Has the maker look the number of this round up; its answer comes by webhook (SK-13, SK-15)."""
        await self._open_check(caller, step)
        await self._making.begin(step.order_id)
        return await self.case(step.order_id)

    @command
    async def _open_check(self, work: Work, step: RequestCheck) -> None:
        case = await repository.get(work.tx, step.order_id)
        if case and case.state == State.CHECKING and case.check_round == step.check_round:
            call = Call.to_be_made(case.order_id, Verb.CHECK, case.check_round, work.now, case.number_id)
            await calls.open_call(work.tx, call)

    async def expire(self, caller: Caller, step: ExpireIfWaiting) -> Case:
        """The timer asks whether the time is up; whoever acted before it has won (PR-06)."""
        return await self._changed(caller, step, _time_is_up)

    async def order_keys(self, caller: Caller, step: OrderKeys) -> Case:
        """Has the maker make the keys, or make them again (SK-35, SK-41).

        Raises:
            MakerRefused: the case waits for an operator.
        """
        return await self._changed_and_asked(caller, step, self._keys_ordered)

    def _keys_ordered(self, now: datetime, case: Case) -> Change | None:
        if case.state != State.ACCEPTED:
            return None
        return Change(
            Cause.KEYS_ORDERED,
            State.MAKING,
            set={"making": case.making + 1, "arranged_at": None, **self._waiting.for_maker(now)},
            told="keys-remade" if case.making else "keys-ordered",
            asks=Verb.REMAKE if case.making else Verb.ORDER,
        )

    async def release(self, caller: Caller, step: ReleaseDispatch) -> Case:
        """Lets the key go to the lease's address; lease and membership are looked at right before (SK-05, SK-38).

        Raises:
            MakerRefused: the case waits for an operator.
        """
        return await self._changed_and_asked(caller, step, self._released)

    def _released(self, now: datetime, case: Case) -> Change | None:
        if case.state != State.CLEARED:
            return None
        patience = self._waiting.silence(now, self._rules.release_business_days)
        return Change(
            Cause.RELEASED,
            State.RELEASED,
            set={"tracking_number": "", "carrier": "", "stopped_from": "", **patience},
            told="key-dispatch-released",
            asks=Verb.RELEASE,
        )

    async def redeliver(self, caller: Caller, step: DispatchRedelivery) -> Case:
        """Lets the key go once more, or has it made again when the maker has destroyed it meanwhile (SK-34…SK-36).

        Raises:
            MakerRefused: as `release`.
        """
        return await self._changed_and_asked(caller, step, partial(self._redelivered, step.redelivery))

    def _redelivered(self, redelivery: int, now: datetime, case: Case) -> Change | None:
        if case.state != State.REDELIVERY_REQUESTED or case.redelivery != redelivery:
            return None
        if case.frozen:
            return stop(case, case.reason)
        if case.destroyed_on is not None:
            return remade_free()
        gone: Columns = {"tracking_number": "", "carrier": "", "absent_since": None, "stopped_from": ""}
        return Change(
            Cause.REDELIVERY_BEGUN,
            State.REDELIVERING,
            set={**gone, **self._waiting.for_maker(now)},
            told="key-redelivery-arranged",
            asks=Verb.REDELIVER,
        )

    async def stop(self, caller: Caller, step: StopAtMaker) -> Case:
        """Tells the maker that the order is off, where it has ever heard of it (SK-13, SK-30).

        Raises:
            MakerAway: to be asked again.
        """
        async with self.commands.database.reading() as session:
            heard = await calls.ever(session, step.order_id, Verb.CHECK)
        await self._change(caller, step, partial(_off, heard=heard))
        await self._making.carry_out(step.order_id)
        return await self.case(step.order_id)

    async def remind(self, caller: Caller, step: RemindMember) -> Case:
        """Tells the member once what is due, and notes what is due next (SK-32, SK-34)."""
        return await self._changed(caller, step, partial(self._reminded, step))

    def _reminded(self, step: RemindMember, now: datetime, case: Case) -> Change | None:
        # What the process asks for is compared with what is due now: late or repeated, it reminds nobody.
        due = (case.reminder, case.reminder_days, case.redelivery)
        if due != (step.reminder, step.days, step.redelivery) or case.remind_at is None or now < case.remind_at:
            return None
        return Change(
            Cause.NOTED,
            case.state,
            set=self._waiting.after_reminder(case, now),
            told=f"key-reminded-{step.reminder}",
            params={"days": str(step.days)},
            fact=partial(
                ReminderDue.of,
                reminder=step.reminder,
                days=step.days,
                deadline=case.deadline,
                tracking_number=case.tracking_number,
                charge=self._rules.redelivery_charge,
            ),
        )

    async def close(self, caller: Caller, step: CloseCase) -> Case:
        """The case ends; its key numbers are erased later (SK-12).

        Raises:
            TransitionImpossible: the case does not stand where it could end like this.
        """
        return await self._changed(caller, step, partial(_closed, step))

    async def call_operator(self, caller: Caller, step: CallOperator) -> Case:
        """A person must look, unless word has come meanwhile (OP-04, OP-06)."""
        return await self._changed(caller, step, partial(self._called, step.problem))

    def _called(self, problem: str, now: datetime, case: Case) -> Change | None:
        if case.needs_operator or case.patience_until is None or now < case.patience_until:
            return None
        called: Columns = {"needs_operator": problem, "patience_until": None}
        if case.state == State.MAKING:
            # The process promises anew in the store (SK-28).
            called["promised_on"] = self._waiting.promise(now)
        return Change(Cause.NOTED, case.state, set=called)


def _time_is_up(now: datetime, case: Case) -> Change | None:
    if case.deadline is None or now < case.deadline:
        return None
    if case.state == State.NUMBER_ASKED:
        over: Columns = {"reason": NOT_CONFIRMED}
        return Change(Cause.TIME_UP, State.CANCELLING, set=over, told="key-number-not-confirmed")
    if case.state == State.RETURNED:
        return Change(Cause.TIME_UP, State.DESTROYED, set={"reason": STORAGE_ENDED}, told="key-storage-ended")
    if case.state == State.READY and case.wish_asked:
        without: Columns = {"deadline": None, "wish_date": None, "wish_asked": False}
        return Change(Cause.TIME_UP, State.READY, set=without, told="key-goes-without-wish")
    if case.state in {State.READY, State.ABSENT}:
        told = "key-hold-ended" if case.state == State.ABSENT else ""
        return Change(Cause.TIME_UP, case.state, set={"deadline": None}, told=told)
    return None


def _off(_now: datetime, case: Case, *, heard: bool) -> Change | None:
    off = case.state == State.CANCELLING and heard
    return Change(Cause.NOTED, State.CANCELLING, asks=Verb.STOP) if off else None


_ENDS_FROM = {State.CANCELLED: State.CANCELLING}
"""Where a case ends in another state than it stands in: everything is given back first."""
_END_FACTS: Mapping[State, type[OfOrder]] = {State.CANCELLED: KeyOrderCancelled, State.DESTROYED: KeyDestroyed}


def _closed(step: CloseCase, now: datetime, case: Case) -> Change | None:
    if case.ended:
        return None
    if case.state != _ENDS_FROM.get(step.state, step.state):
        raise TransitionImpossible(state=case.state)
    reason, fact = case.reason or step.reason, _END_FACTS.get(step.state)
    # Whoever was called while everything was given back stays called (SK-05).
    return Change(
        Cause.CLOSED,
        step.state,
        set={"ended_at": now, "reason": reason, "needs_operator": case.needs_operator},
        told="" if step.state == State.HANDED_OVER else f"key-order-{step.state}",
        fact=partial(fact.of, reason=reason) if fact else None,
    )
