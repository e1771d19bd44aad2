"""Asking the maker: each call is written before it is made and settled when it is answered (SK-51)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from pydantic import TypeAdapter

from services.chassis.caller import Caller
from services.chassis.errors import NotFound, RuumError, StillRunning
from services.chassis.idempotency import Command, Commands, Work
from services.chassis.jst import jst_date
from services.sparekey.cases import repository as cases
from services.sparekey.cases.changes import Change, change, poke, read
from services.sparekey.cases.events import DispatchStopped, KeyNumberAccepted, KeyNumberAsked
from services.sparekey.cases.models import Case, Kind
from services.sparekey.cases.transitions import Cause, State
from services.sparekey.cases.waiting import Waiting
from services.sparekey.making import repository
from services.sparekey.making.models import Call, Outcome, Verb
from services.sparekey.numbers.domain import Vault
from services.sparekey.ports import (
    Destination,
    Maker,
    MakerAway,
    MakerRefused,
    Ordered,
    Rooms,
    Store,
)

_log = structlog.get_logger()

# Longer than the adapter waits for an answer, so that no two questions about an order are on the wire at once.
_ASKING_SECONDS = 15
_SWEPT_AT_ONCE = 20
NOT_CONFIRMED = "key-number-not-confirmed"
_NOTHING = TypeAdapter(None)


class _NoLonger(Exception):
    """What the call is for is not wanted any more; says why."""


def stop(case: Case, reason: str, cause: Cause = Cause.STOPPED) -> Change:
    """Nothing leaves before an operator has decided (SK-05, SK-36, SK-37)."""
    return Change(
        cause,
        State.STOPPED,
        set={"reason": reason, "needs_operator": reason, "stopped_from": case.state},
        told="key-dispatch-stopped",
        fact=DispatchStopped,
        says={"reason": reason},
    )


class Verdicts:
    """What the maker's word on a key number means for the case (SK-13, SK-14)."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    async def judge(self, work: Work, order_id: str) -> Case:
        """Moves a case that waits for its check, once enough is known of it; else leaves it as it is."""
        case = await read(work, order_id)
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
        promised = {"promised_on": self._waiting.promise(now)} if check_round > 1 else {}
        return Change(
            Cause.NUMBER_EXISTS,
            State.ACCEPTED,
            set={**promised, "number_due_at": None, "early_number_id": None},
            told="key-number-accepted",
            fact=KeyNumberAccepted,
            says={"round": check_round},
        )

    async def unknown(self, work: Work, order_id: str, check_round: int, mailed_at: datetime | None) -> Case:
        """The number of this round does not exist: the customer is asked, or the time for asking is over."""

        def ask(case: Case) -> Change | None:
            due = case.number_due_at or (self._waiting.for_number(mailed_at) if mailed_at else None)
            waits = case.state in {State.CHECKING, State.ACCEPTED} and case.check_round == check_round
            if not waits or due is None:
                return None
            return self._asked(case, due) if work.now < due else self._over()

        case = await change(work, order_id, ask)
        if case.state == State.NUMBER_ASKED and case.early_number_id:
            case = await change(work, order_id, partial(give, case.early_number_id, work.now, self._waiting))
        return case

    def _asked(self, case: Case, due: datetime) -> Change:
        last_day = jst_date(due - timedelta(microseconds=1))
        return Change(
            Cause.NUMBER_UNKNOWN,
            State.NUMBER_ASKED,
            set={"deadline": due, "number_due_at": due},
            told="key-number-asked",
            params={"until": last_day.isoformat()},
            fact=KeyNumberAsked,
            says={"deadline": due, "round": case.check_round},
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
            **waiting.for_check(now),
        },
        told="key-number-replied",
    )


def _refused(call: Call, case: Case) -> Change | None:
    """The maker does not do what the case went on for: it goes back, and a person has to look (OP-04)."""
    if call.verb in {Verb.ORDER, Verb.REMAKE} and case.state == State.MAKING:
        back = {"making": case.making - 1, "needs_operator": MakerRefused.code}
        return Change(Cause.MAKER_REFUSED, State.ACCEPTED, set=back)
    stopped = stop(case, MakerRefused.code, Cause.MAKER_REFUSED)
    if (call.verb, case.state) == (Verb.RELEASE, State.RELEASED):
        return stopped
    if (call.verb, case.state) == (Verb.REDELIVER, State.REDELIVERING):
        return replace(stopped, set={**stopped.set, "stopped_from": State.REDELIVERY_REQUESTED})
    return None


def _withdrawn(call: Call, why: str, case: Case) -> Change | None:
    """The lease has ended: nothing is asked any more, and what may have got through is stopped (SK-05, SK-36)."""
    held: dict[tuple[Verb, State], dict[str, Any]] = {
        (Verb.ORDER, State.MAKING): {"making": case.making - 1, "stopped_from": State.ACCEPTED},
        (Verb.RELEASE, State.RELEASED): {},
        (Verb.REDELIVER, State.REDELIVERING): {"stopped_from": State.REDELIVERY_REQUESTED},
    }
    place = (Verb(call.verb), State(case.state))
    if place not in held:
        return None
    stopped = stop(case, why)
    return replace(stopped, set={**stopped.set, **held[place]}, asks=Verb.STOP)


class SettleCall(Command):
    """What became of a call; its request id is the call's key with the outcome."""


class Making:
    """Carries open calls to the maker, in the order in which they were opened."""

    def __init__(
        self,
        commands: Commands,
        vault: Vault,
        maker: Maker,
        rooms: Rooms,
        store: Store,
        waiting: Waiting,
    ) -> None:
        self._commands = commands
        self._database = commands.database
        self._vault = vault
        self._maker = maker
        self._rooms = rooms
        self._store = store
        self._charge = waiting.rules.redelivery_charge
        self.verdicts = Verdicts(waiting)
        self._ask_for: Mapping[Verb, Callable[[Call, Case], Awaitable[str]]] = {
            Verb.CHECK: self._check,
            Verb.ORDER: self._order,
            Verb.REMAKE: self._remake,
            Verb.RELEASE: self._release,
            Verb.REDELIVER: self._redeliver,
            Verb.STOP: self._stop,
        }

    async def carry_out(self, order_id: str, *, unasked: bool = False) -> None:
        """Asks the maker whatever is open for an order. `unasked`: its process does not wait for it, and is told.

        Raises:
            MakerAway: it may or may not have been done; asking again does it once.
            MakerRefused: an operator has to look.
            StillRunning: somebody else is asking for this order right now.
        """
        async with self._database.reading() as session:
            waiting = await repository.open_calls(session, order_id)
        for call in waiting:
            await self._carry(call, unasked=unasked)

    async def _carry(self, call: Call, *, unasked: bool) -> None:
        if not await self._database.transact(partial(repository.claim, call=call, seconds=_ASKING_SECONDS)):
            raise StillRunning
        async with self._database.reading() as session:
            case = await cases.get(session, call.order_id)
        if case is None:
            raise NotFound
        try:
            said = await self._ask_for[call.verb](call, case)
        except _NoLonger as no:
            await self._settle(call, Outcome.WITHDRAWN, str(no), unasked=unasked)
        except MakerRefused as refusal:
            await self._settle(call, Outcome.REFUSED, str(refusal.params["why"]), unasked=unasked)
            if case.state != State.CANCELLING:
                raise
        except RuumError as failure:
            await self._database.transact(partial(repository.tried, key=call.key, problem=failure.code))
            raise
        else:
            await self._settle(call, Outcome.DONE, said, unasked=unasked)

    async def _settle(self, call: Call, outcome: Outcome, said: str, *, unasked: bool) -> None:
        """Commits what became of a call, with what follows from it."""

        async def once(work: Work) -> None:
            problem = "" if outcome is Outcome.DONE else said
            if not await repository.settle(work.tx, call.key, outcome, work.now, problem):
                return
            if outcome is Outcome.DONE:
                await self._learn(work, call, said)
            elif outcome is Outcome.REFUSED:
                await change(work, call.order_id, partial(_refused, call))
            else:
                await change(work, call.order_id, partial(_withdrawn, call, said))
            if unasked:
                poke(work, call.order_id)

        command = SettleCall(request_id=f"{call.key}/{outcome}")
        await self._commands.run(Caller("service", "sparekey"), command, _NOTHING, once)

    async def _learn(self, work: Work, call: Call, check_id: str) -> None:
        if call.verb == Verb.CHECK:
            await repository.learn(work.tx, check_id, call.order_id, check_round=call.ordinal)
            await self.verdicts.judge(work, call.order_id)

    async def _goes_to(self, case: Case) -> Destination:
        """The lease's address, read afresh, and whom the order names (SK-05)."""
        permission = await self._rooms.may_order_keys(case.member_id, case.room_id)
        if not permission.allowed:
            raise _NoLonger(permission.refusal)
        order = await self._store.order(case.order_id)
        return Destination(order.recipient, permission.address)

    async def _check(self, call: Call, case: Case) -> str:
        async with self._database.reading() as session:
            number = await self._vault.open(session, call.number_id)
        if number is None or case.state != State.CHECKING or case.check_round != call.ordinal:
            raise _NoLonger("check-overtaken")
        return await self._maker.check(call.key, call.order_id, number, Kind(case.kind))

    async def _order(self, call: Call, case: Case) -> str:
        async with self._database.reading() as session:
            number = await self._vault.open(session, case.number_id)
        if number is None:
            raise _NoLonger("key-number-erased")
        keys = Ordered(Kind(case.kind), case.quantity, case.building_code)
        await self._maker.order(call.key, call.order_id, number, keys, await self._goes_to(case))
        return ""

    async def _remake(self, call: Call, case: Case) -> str:  # noqa: ARG002  # as its siblings
        await self._maker.remake(call.key, call.order_id)
        return ""

    async def _release(self, call: Call, case: Case) -> str:
        await self._maker.release(call.key, call.order_id, await self._goes_to(case))
        return ""

    async def _redeliver(self, call: Call, case: Case) -> str:
        await self._maker.redeliver(call.key, call.order_id, await self._goes_to(case), self._charge)
        return ""

    async def _stop(self, call: Call, case: Case) -> str:  # noqa: ARG002  # as its siblings
        await self._maker.stop(call.key, call.order_id)
        return ""

    async def sweep(self, every: timedelta, after: timedelta) -> None:
        """Carries, as long as the service runs, what was left open by a crash or a silent maker."""
        while True:
            await asyncio.sleep(every.total_seconds())
            try:
                await self.sweep_once(after)
            except RuumError as failure:
                _log.warning("open calls wait", code=failure.code)

    async def sweep_once(self, after: timedelta) -> None:
        now = self._commands.clock.now()
        async with self._database.reading() as session:
            orders = await repository.left_open(session, now, after, _SWEPT_AT_ONCE)
        for order_id in orders:
            try:
                await self.carry_out(order_id, unasked=True)
            except (MakerAway, MakerRefused, StillRunning) as failure:
                _log.warning("open call waits", order_id=order_id, code=failure.code)
