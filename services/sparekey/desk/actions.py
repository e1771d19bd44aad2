"""What each of an operator's actions does to a case (SK-50)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from pydantic import Field

from services.chassis.errors import InvalidField, Kind, RuumError, Violation
from services.chassis.idempotency import Command, Work
from services.chassis.ids import new_id
from services.chassis.jst import jst_date
from services.sparekey.calls.models import Verb
from services.sparekey.cases import repository as cases
from services.sparekey.cases.changes import Change, change
from services.sparekey.cases.models import CARRIER, POST, Case, Columns
from services.sparekey.cases.transitions import Cause, State
from services.sparekey.cases.waiting import PATIENT, Waiting
from services.sparekey.desk import repository
from services.sparekey.desk.models import Approval
from services.sparekey.making.verdicts import TOO_LATE, Verdicts, give
from services.sparekey.members.domain import redelivery_asked
from services.sparekey.numbers.domain import Vault
from services.sparekey.ports import Permission
from services.sparekey.webhooks.models import Scan, Scanned
from services.sparekey.webhooks.travel import LOST, Travel

S = State
ALLOWED: Mapping[str, frozenset[State]] = {
    "accept_key_number": frozenset({S.CHECKING, S.NUMBER_ASKED}),
    "refuse_key_number": frozenset({S.CHECKING, S.ACCEPTED}),
    "mark_arranged": frozenset({S.ACCEPTED}),
    "mark_dispatched": frozenset({S.RELEASED, S.REDELIVERING, S.STOPPED}),
    "record_carrier_event": frozenset({S.DISPATCHED, S.ABSENT, S.REDELIVERING, S.LOST}),
    "order_redelivery": frozenset({S.RETURNED}),
    "record_collected": frozenset({S.REDELIVERING, S.ABSENT, S.HANDED_OVER}),
    "release_dispatch": frozenset({S.STOPPED}),
    "reject_dispatch": frozenset({S.STOPPED}),
    "close_as_destroyed": frozenset({S.RETURNED, S.STOPPED}),
    "decide": frozenset({S.LOST, S.STOPPED}),
    "try_again": frozenset(State),
}
"""In which states an operator can do what (SK-50)."""

CLOSED_BY_DESK = "closed-by-desk"
_DECISIONS = frozenset({"release_dispatch", "reject_dispatch", "close_as_destroyed", "decide"})
_TAKES_TWO = frozenset({"release_dispatch", "reject_dispatch"})
_CAME_BACK = frozenset({S.RETURNED, S.REDELIVERY_REQUESTED})
# Where else it was stopped, it is looked at again before it leaves.
_GOES_BACK = _CAME_BACK | {S.ACCEPTED}
# Here it is the process alone that may be stuck: the case itself waits for nothing that could be mended.
_NOTHING_TO_MEND = frozenset({S.DRAFT, S.STOPPED, S.CANCELLED})

_SCANS: Mapping[str, Scanned] = {
    "handed-over": Scanned.HANDED_OVER,
    "absent": Scanned.ABSENT,
    "held": Scanned.HELD,
    "returned": Scanned.RETURNED,
    "redirected": Scanned.REDIRECTED,
    "lost": Scanned.LOST,
    "scanned": Scanned.OUT_FOR_DELIVERY,
}
"""The events that an operator can record, and what a carrier would have said."""


class OperatorActionNotPossible(RuumError):
    """The case does not stand where this could be done (PR-13, SK-50)."""

    kind = Kind.REFUSED
    code = "key-operator-action-not-possible"


class SecondOperatorNeeded(RuumError):
    """The same operator cannot be the second one (SK-50)."""

    kind = Kind.REFUSED
    code = "second-operator-needed"


class DeskReferenceUnknown(RuumError):
    """No living reference for this order: used up, lapsed, or of another order (SK-14)."""

    kind = Kind.REFUSED
    code = "desk-reference-unknown"


def admit(action: str, case: Case) -> None:
    """Lets an action pass where it can be done.

    While a carrier has the key, nothing can be decided as if it lay at the maker. A key that was stopped in time
    leaves only when two operators release it (SK-50): noting its dispatch by hand does not replace them.

    Raises:
        OperatorActionNotPossible: else.
    """
    left = case.needs_operator == TOO_LATE
    impossible = action in _DECISIONS if left else (action, case.state) == ("mark_dispatched", State.STOPPED)
    if case.state not in ALLOWED[action] or impossible:
        raise OperatorActionNotPossible(action=action, state=case.state)


class ActAsOperator(Command):
    order_id: str
    operator: str
    reason: str
    action: str
    arguments: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Act:
    """An action under way; `permission` is what rooms answered, where the action needs it."""

    work: Work
    asked: ActAsOperator
    permission: Permission | None

    @property
    def order_id(self) -> str:
        return self.asked.order_id

    def said(self, name: str) -> str:
        """An argument of the action.

        Raises:
            InvalidField: it is missing.
        """
        said = self.asked.arguments.get(name, "")
        if not said:
            raise InvalidField(field=name, violations=[Violation(f"arguments.{name}", "field-required", {})])
        return said

    def impossible(self, case: Case) -> OperatorActionNotPossible:
        """The refusal of this action on this case."""
        return OperatorActionNotPossible(action=self.asked.action, state=case.state)


class OperatorActions:
    """What each action does; each moves the case by the declared table, or is refused."""

    def __init__(self, vault: Vault, verdicts: Verdicts, waiting: Waiting) -> None:
        self._vault = vault
        self._verdicts = verdicts
        self._waiting = waiting
        self._travel = Travel(waiting)
        self._decides: Mapping[str, Callable[[Act, Case], Change | None]] = {
            "mark_arranged": self._arranged,
            "order_redelivery": self._redelivery_asked,
            "release_dispatch": self._let_go,
            "reject_dispatch": _rejected,
            "close_as_destroyed": _destroyed,
            "decide": _decided,
            "try_again": self._tried_again,
        }
        self._does: Mapping[str, Callable[[Act], Awaitable[None]]] = {
            "accept_key_number": self._accept_number,
            "refuse_key_number": self._refuse_number,
            "mark_dispatched": self._mark_dispatched,
            "record_carrier_event": self._carrier_event,
            "record_collected": self._collected,
        }
        if half := ALLOWED.keys() ^ {*self._decides, *self._does}:
            raise TypeError(f"{', '.join(sorted(half))}: needs a row in ALLOWED and one in _decides or _does")

    async def do(self, act: Act) -> None:
        """Carries an action out; its errors are those of `Desk.act`."""
        action = act.asked.action
        if action in _TAKES_TWO and not await self._both(act):
            return
        if action in self._does:
            await self._does[action](act)
        else:
            await self._change(act, partial(self._decides[action], act))

    async def _change(self, act: Act, decide: Callable[[Case], Change | None]) -> None:
        """Changes the case where it still stands where the action is possible."""

        def allowed(case: Case) -> Change | None:
            admit(act.asked.action, case)
            return decide(case)

        await change(act.work, act.order_id, allowed)

    async def _both(self, act: Act) -> bool:
        """Whether two different operators have approved this of the case as it is (SK-50).

        Raises:
            SecondOperatorNeeded: this one has approved already.
        """
        asked, now = act.asked, act.work.now
        case = await cases.found(act.work.tx, asked.order_id)
        approval = Approval.make(
            order_id=asked.order_id,
            action=asked.action,
            operator=asked.operator,
            case_version=case.version,
            approved_at=now,
        )
        lapsed = now - self._waiting.rules.approval_life
        standing = await repository.approve(act.work.tx, approval, lapsed)
        if standing == asked.operator:
            raise SecondOperatorNeeded
        if standing:
            await repository.spend(act.work.tx, asked.order_id, asked.action)
        return bool(standing)

    # What changes the case, and nothing else.

    def _arranged(self, act: Act, case: Case) -> Change:
        """An operator has arranged it with the maker, who is therefore not asked again."""
        patience = self._waiting.for_making(case.promised_on, act.work.now)
        made: Columns = {"making": case.making + 1, "arranged_at": act.work.now, **patience}
        withdrawn = (Verb.ORDER, Verb.REMAKE)
        return Change(Cause.KEYS_ORDERED, State.MAKING, set=made, told="keys-ordered", withdraws=withdrawn)

    def _redelivery_asked(self, act: Act, case: Case) -> Change:
        if act.permission is not None:
            act.permission.needed()
        if not case.in_time(act.work.now):
            raise act.impossible(case)
        return redelivery_asked(case, self._waiting.rules.redelivery_charge)

    def _let_go(self, act: Act, case: Case) -> Change:
        """Two operators let a stopped dispatch go on; lease and membership are looked at again all the same."""
        to = State(case.stopped_from) if case.stopped_from in _GOES_BACK else State.READY
        stored: Columns = self._stored_again(act, case) if to is State.RETURNED else {}
        let: Columns = {"frozen": False, "reason": "", "stopped_from": "", **stored}
        return Change(Cause.LET_GO, to, set=let, told="key-dispatch-let-go")

    def _stored_again(self, act: Act, case: Case) -> Columns:
        today = jst_date(act.work.now)
        return self._waiting.stored(case.returned_on or today, today, act.work.now)

    def _tried_again(self, act: Act, case: Case) -> Change | None:
        """The problem is mended; who has to act is waited for anew (OP-04)."""
        if case.state == S.STOPPED and case.needs_operator == TOO_LATE:
            return Change(Cause.NOTED, S.STOPPED, asks=Verb.STOP)
        if case.state in _NOTHING_TO_MEND:
            return None
        mended: Columns = {"needs_operator": ""}
        if case.state in PATIENT and case.needs_operator and case.patience_until is None:
            mended |= self._waiting.silence(act.work.now, self._waiting.rules.release_business_days)
        return Change(Cause.NOTED, case.state, set=mended)

    # What does more.

    async def _accept_number(self, act: Act) -> None:
        reference, now = act.said("reference"), act.work.now
        number_id = await repository.use_reference(act.work.tx, reference, act.order_id, now)
        if number_id is None:
            raise DeskReferenceUnknown
        await self._change(act, partial(self._given, act, number_id))

    def _given(self, act: Act, number_id: str, case: Case) -> Change:
        if not case.in_time(act.work.now):
            raise act.impossible(case)
        return give(number_id, act.work.now, self._waiting, case)

    async def _refuse_number(self, act: Act) -> None:
        case = await cases.found(act.work.tx, act.order_id)
        await self._verdicts.unknown(act.work, act.order_id, case.check_round, act.work.now)

    async def _mark_dispatched(self, act: Act) -> None:
        number = act.said("tracking_number")
        case = await cases.found(act.work.tx, act.order_id)
        once_more = {case.state, case.stopped_from} & {S.REDELIVERING, S.REDELIVERY_REQUESTED}
        carrier = CARRIER if once_more else POST
        await self._travel.dispatched(act.work, act.order_id, number, carrier, case.making, act.work.now)
        moved = await cases.found(act.work.tx, act.order_id)
        if moved.tracking_number != number:
            raise act.impossible(moved)

    async def _carrier_event(self, act: Act) -> None:
        case = await cases.found(act.work.tx, act.order_id)
        kind = _SCANS.get(act.said("event"))
        if kind is None:
            raise InvalidField(field="event", violations=[Violation("arguments.event", "field-string-in", {})])
        if not case.on_its_way:
            raise act.impossible(case)
        await self._scan(act, case.tracking_number, kind)
        if kind is Scanned.RETURNED:
            on = jst_date(act.work.now)
            await self._travel.returned(act.work, act.order_id, case.tracking_number, on)

    async def _collected(self, act: Act) -> None:
        case = await cases.found(act.work.tx, act.order_id)
        if not case.on_its_way or not case.redelivery:
            raise act.impossible(case)
        await self._scan(act, case.tracking_number, Scanned.COLLECTED)

    async def _scan(self, act: Act, tracking_number: str, kind: Scanned) -> None:
        scan = Scan.make(
            event_id=new_id("scan"),
            tracking_number=tracking_number,
            kind=kind,
            occurred_at=act.work.now,
            taken_at=act.work.now,
        )
        await self._travel.scanned(act.work, scan)


def _rejected(_act: Act, case: Case) -> Change:
    reason = case.reason or CLOSED_BY_DESK
    return Change(Cause.REJECTED, State.CANCELLING, set={"reason": reason}, told="key-dispatch-rejected")


def _destroyed(act: Act, case: Case) -> Change:
    if case.state == State.STOPPED and case.stopped_from not in _CAME_BACK:
        raise act.impossible(case)
    reason = case.reason or CLOSED_BY_DESK
    return Change(Cause.DESTROYED, State.DESTROYED, set={"reason": reason}, told="key-destroyed")


def _decided(act: Act, case: Case) -> Change:
    """What becomes of a lost key, or of the money for one whose receiver has left (SK-36, SK-41)."""
    decision = act.said("decision")
    if (case.state, decision) == (State.LOST, "remake"):
        again: Columns = {"tracking_number": "", "carrier": "", "remade_free": True}
        return Change(Cause.REMADE, State.ACCEPTED, set=again, told="key-made-again")
    gone = case.state == State.STOPPED and case.stopped_from in _CAME_BACK
    if decision == "refund" and (gone or case.state == State.LOST):
        reason = case.reason or LOST
        return Change(Cause.DECIDED, State.CANCELLING, set={"reason": reason}, told="key-refund-decided")
    if decision == "no-refund" and gone:
        return Change(Cause.DECIDED, State.DESTROYED, told="key-destroyed")
    raise act.impossible(case)
