"""What the maker's word on a key number means, and what stops a key (SK-05, SK-13, SK-14)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial

from services.chassis.idempotency import Work
from services.chassis.jst import last_day_of
from services.sparekey.calls.models import Verb
from services.sparekey.cases import repository as cases
from services.sparekey.cases.changes import Change, change
from services.sparekey.cases.events import DispatchStopped, KeyNumberAccepted
from services.sparekey.cases.models import Case, Columns
from services.sparekey.cases.transitions import Cause, State
from services.sparekey.cases.waiting import Waiting
from services.sparekey.making import repository

NOT_CONFIRMED, ADDRESS_CHANGED, TOO_LATE = "key-number-not-confirmed", "address-changed", "stopped-too-late"


def stop(case: Case, reason: str, cause: Cause = Cause.STOPPED) -> Change:
    """Nothing leaves before an operator has decided (SK-05, SK-36, SK-37)."""
    return Change(
        cause,
        State.STOPPED,
        set={"reason": reason, "needs_operator": reason, "stopped_from": case.state},
        told="key-dispatch-stopped",
        fact=partial(DispatchStopped.of, reason=reason),
    )


def call_back(case: Case, reason: str, cause: Cause = Cause.STOPPED) -> Change:
    """Stopped, also at the maker who was told to let it go (SK-05, SK-37)."""
    held = stop(case, reason, cause)
    # Let go, a redelivery begins anew from the member's request.
    again: Columns = {"stopped_from": State.REDELIVERY_REQUESTED} if case.state == State.REDELIVERING else {}
    withdrawn = (Verb.RELEASE, Verb.REDELIVER)
    return replace(held, set={**held.set, **again}, asks=Verb.STOP, withdraws=withdrawn)


def too_late(case: Case) -> Change | None:
    """A carrier had the key before the maker heard of our stop: no decision is made as if it lay there (SK-05).

    Money that was to come back because of the stop stays until operators know where the key is.
    """
    called_back = case.stopped_from in {State.RELEASED, State.REDELIVERY_REQUESTED} and not case.on_its_way
    if not called_back or case.state not in {State.STOPPED, State.CANCELLING}:
        return None
    told = "key-dispatch-stopped" if case.state == State.CANCELLING else ""
    return Change(Cause.STOPPED, State.STOPPED, set={"needs_operator": TOO_LATE}, told=told)


def stopped_in_time(case: Case) -> Change | None:
    """The maker has the key: what operators decided stands, or they decide after all (SK-05).

    From here money goes back, so that a key which leaves all the same is one that left without our release.
    """
    if case.state == State.CANCELLING and case.stopped_from:
        return Change(Cause.NOTED, State.CANCELLING, set={"stopped_from": ""})
    if case.state == State.STOPPED and case.needs_operator == TOO_LATE:
        return Change(Cause.NOTED, State.STOPPED, set={"needs_operator": case.reason})
    return None


def remade_free() -> Change:
    """The maker destroyed what somebody still had a right to: it is made again, free of charge (SK-35)."""
    again: Columns = {"remade_free": True, "destroyed_on": None, "tracking_number": "", "carrier": ""}
    return Change(Cause.REMADE, State.ACCEPTED, set=again, told="key-made-again")


class Verdicts:
    """What the maker's word on a key number means for the case (SK-13, SK-14)."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    async def judge(self, work: Work, order_id: str) -> Case:
        """Moves a case that waits for its check, once enough is known of it; else leaves it as it is."""
        case = await cases.found(work.tx, order_id)
        check = await repository.check_of_round(work.tx, order_id, case.check_round)
        if check is None or not (check.result or check.mailed_at):
            return case
        if check.result == "exists":
            return await change(work, order_id, partial(self._accept, work.now, case.check_round))
        return await self.unknown(work, order_id, case.check_round, check.mailed_at)

    def _accept(self, now: datetime, check_round: int, case: Case) -> Change | None:
        if case.state != State.CHECKING or case.check_round != check_round:
            return None
        # An order that had to be confirmed is promised from its confirmation (SK-28).
        promised: Columns = {"promised_on": self._waiting.promise(now)} if check_round > 1 else {}
        return Change(
            Cause.NUMBER_EXISTS,
            State.ACCEPTED,
            set={**promised, "number_due_at": None, "early_number_id": None},
            told="key-number-accepted",
            fact=partial(KeyNumberAccepted.of, round=check_round),
        )

    async def unknown(self, work: Work, order_id: str, check_round: int, mailed_at: datetime | None) -> Case:
        """The number of this round does not exist: the customer is asked, or the time for asking is over."""
        case = await change(work, order_id, partial(self._unknown, work.now, check_round, mailed_at))
        # The customer was quicker than the maker's word of having asked: their reply waits already.
        if case.state == State.NUMBER_ASKED and case.early_number_id:
            case = await change(work, order_id, partial(give, case.early_number_id, work.now, self._waiting))
        return case

    def _unknown(self, now: datetime, check_round: int, mailed_at: datetime | None, case: Case) -> Change | None:
        due = case.number_due_at or (self._waiting.for_number(mailed_at) if mailed_at else None)
        waits = case.state in {State.CHECKING, State.ACCEPTED} and case.check_round == check_round
        if not waits or due is None:
            return None
        return self._asked(due) if now < due else self._over()

    def _asked(self, due: datetime) -> Change:
        return Change(
            Cause.NUMBER_UNKNOWN,
            State.NUMBER_ASKED,
            set={"deadline": due, "number_due_at": due},
            told="key-number-asked",
            params={"until": last_day_of(due).isoformat()},
            fact=self._waiting.asked,
        )

    def _over(self) -> Change:
        return Change(
            Cause.NUMBER_UNKNOWN, State.CANCELLING, set={"reason": NOT_CONFIRMED}, told="key-number-not-confirmed"
        )


def give(number_id: str, now: datetime, waiting: Waiting, case: Case) -> Change:
    """Another number for the case: the maker looks it up, and meanwhile no deadline runs (SK-14)."""
    return Change(
        Cause.NUMBER_GIVEN,
        State.CHECKING,
        set={
            "number_id": number_id,
            "early_number_id": None,
            "check_round": case.check_round + 1,
            "deadline": None,
            "needs_operator": "",
            **waiting.for_maker(now),
        },
        told="key-number-replied",
    )
