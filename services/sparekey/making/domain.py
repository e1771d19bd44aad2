"""Asking the maker: each call is written before it is made and settled when it is answered (SK-51)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.caller import Caller
from services.chassis.errors import RuumError, StillRunning
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.sparekey.calls import repository as calls
from services.sparekey.calls.models import Call, Outcome, Verb
from services.sparekey.cases import repository as cases
from services.sparekey.cases.changes import Change, change, poke
from services.sparekey.cases.models import Case, Columns, Kind
from services.sparekey.cases.transitions import Cause, State
from services.sparekey.cases.waiting import SILENT, Waiting
from services.sparekey.making import repository
from services.sparekey.making.verdicts import (
    ADDRESS_CHANGED,
    TOO_LATE,
    Verdicts,
    call_back,
    stop,
    stopped_in_time,
    too_late,
)
from services.sparekey.numbers.domain import Vault
from services.sparekey.ports import (
    Destination,
    Maker,
    MakerAway,
    MakerRefused,
    Ordered,
    Rooms,
    Store,
    mark,
)

_log = structlog.get_logger()

# Longer than the adapter waits for an answer, so that no two questions about an order are on the wire at once.
_ASKING_SECONDS = 15
_SWEPT_AT_ONCE = 20
# Since the first try; twice as long after each further one.
_SWEPT_AFTER = timedelta(seconds=10)
_OURSELVES = Caller("service", "sparekey")


class _NoLonger(Exception):
    """What the call is for is no longer wanted; says why."""


def _refused(call: Call, case: Case) -> Change | None:
    """The maker does not do what the case went on for: it goes back, and a person has to look (OP-04)."""
    if call.verb in {Verb.ORDER, Verb.REMAKE} and case.state == State.MAKING:
        back: Columns = {"making": case.making - 1, "needs_operator": MakerRefused.code}
        return Change(Cause.MAKER_REFUSED, State.ACCEPTED, set=back)
    if (call.verb, call.ordinal, case.state) == (Verb.CHECK, case.check_round, State.CHECKING):
        return Change(Cause.NOTED, State.CHECKING, set={"needs_operator": MakerRefused.code})
    if (call.verb, case.state) == (Verb.STOP, State.CANCELLING):  # such as an order that it never had
        return stopped_in_time(case)
    stopped = stop(case, MakerRefused.code, Cause.MAKER_REFUSED)
    if (call.verb, case.state) == (Verb.RELEASE, State.RELEASED):
        return stopped
    if (call.verb, case.state) == (Verb.REDELIVER, State.REDELIVERING):
        # Let go, it goes on from the member's request: of this redelivery nothing was begun.
        return replace(stopped, set={**stopped.set, "stopped_from": State.REDELIVERY_REQUESTED})
    return None


def _withdrawn(call: Call, why: str, case: Case) -> Change | None:
    """The reason for the call is gone: nothing is asked, and what may have got through is stopped (SK-05, SK-36)."""
    place = (Verb(call.verb), State(case.state))
    # The order may have reached the maker although its answer was lost: it is stopped there, and counts as not made.
    if place == (Verb.ORDER, State.MAKING):
        uncut: Columns = {"making": case.making - 1, "stopped_from": State.ACCEPTED}
        held = stop(case, why)
        return replace(held, set={**held.set, **uncut}, asks=Verb.STOP)
    let_go = {(Verb.RELEASE, State.RELEASED), (Verb.REDELIVER, State.REDELIVERING)}
    return call_back(case, why) if place in let_go else None


def arranged(waiting: Waiting, now: datetime, case: Case) -> Change | None:
    """The maker has taken the order: it has until the promised day (SK-28)."""
    if case.state != State.MAKING:
        return None
    taken: Columns = {"arranged_at": now, **waiting.for_making(case.promised_on, now), **_heard(case)}
    return Change(Cause.NOTED, State.MAKING, set=taken)


def _taken_again(waiting: Waiting, now: datetime, case: Case) -> Change | None:
    if case.state != State.REDELIVERING or case.on_its_way:
        return None
    return Change(Cause.NOTED, State.REDELIVERING, set={**waiting.for_scan(now), **_heard(case)})


def _heard(case: Case) -> Columns:
    """Clears a call for an operator that was made only because the maker was silent."""
    return {"needs_operator": ""} if case.needs_operator.startswith(SILENT) else {}


async def _claimed(call: Call, tx: AsyncSession) -> bool:
    await cases.take_turn(tx, call.order_id)
    return await calls.claim(tx, call, _ASKING_SECONDS)


class SettleCall(Command):
    """What became of a call; its request id is the call's key with the outcome and how often it was tried before."""


class Making(Verbs):
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
        self.commands = commands
        self._vault = vault
        self._maker = maker
        self._rooms = rooms
        self._store = store
        self._waiting = waiting
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
        """Makes the open calls of an order. `unasked`: its process does not wait for the outcome, and is told of it.

        Raises:
            MakerAway: it may or may not have been done; asking again does it once.
            MakerRefused: an operator has to look.
            StillRunning: somebody else is asking for this order right now.
        """
        async with self.commands.database.reading() as session:
            waiting = await calls.open_calls(session, order_id)
        for call in waiting:
            await self._carry(call, unasked=unasked)

    async def begin(self, order_id: str) -> None:
        """Makes the open calls; what the maker does not answer is left to the sweep, which tells the process (SK-15).

        Raises:
            MakerRefused, StillRunning: as `carry_out`.
        """
        try:
            await self.carry_out(order_id)
        except MakerAway:
            _log.warning("maker away", order_id=order_id)

    async def _carry(self, call: Call, *, unasked: bool) -> None:
        if not await self.commands.database.transact(partial(_claimed, call)):
            raise StillRunning
        case = await cases.read(self.commands.database, call.order_id)
        try:
            said = await self._ask_for[call.verb](call, case)
        except _NoLonger as no:
            await self._settle(call, Outcome.WITHDRAWN, str(no), unasked=unasked)
        except MakerRefused as refusal:
            await self._settle(call, Outcome.REFUSED, str(refusal.params["why"]), unasked=unasked)
            # A stop that is refused while everything is given back counts as answered: there is nothing to stop.
            if case.state != State.CANCELLING:
                raise
        except Exception as failure:
            # Nobody knows whether it was done: the call stays open, and is made again under its key.
            now, problem = self.commands.clock.now(), getattr(failure, "code", RuumError.code)
            await self.commands.database.transact(partial(calls.tried, key=call.key, now=now, problem=problem))
            raise
        else:
            await self._settle(call, Outcome.DONE, said, unasked=unasked)

    async def _settle(self, call: Call, outcome: Outcome, said: str, *, unasked: bool) -> None:
        # With the tries before: a call that was refused is opened again under its key, and may be refused again.
        settled = SettleCall(request_id=f"{call.key}/{outcome}/{call.tries}")
        await self._follow(_OURSELVES, settled, call, outcome, said, unasked=unasked)

    @command
    async def _follow(
        self, work: Work, _settled: SettleCall, call: Call, outcome: Outcome, said: str, *, unasked: bool
    ) -> None:
        """Commits what became of a call, with what follows from it."""
        problem = "" if outcome is Outcome.DONE else said
        if not await calls.settle(work.tx, call.key, outcome, work.now, problem):
            return
        if outcome is Outcome.DONE:
            await self._learn(work, call, said)
        elif outcome is Outcome.REFUSED:
            await change(work, call.order_id, partial(_refused, call))
        else:
            await change(work, call.order_id, partial(_withdrawn, call, said))
        if unasked:
            poke(work, call.order_id)

    async def _learn(self, work: Work, call: Call, said: str) -> None:
        """What follows from the maker's yes: from now on it has its time to do what it has accepted."""
        if call.verb == Verb.CHECK:
            await repository.learn(work.tx, said, call.order_id, check_round=call.ordinal)
            await self.verdicts.judge(work, call.order_id)
        elif call.verb in {Verb.ORDER, Verb.REMAKE}:
            await change(work, call.order_id, partial(arranged, self._waiting, work.now))
        elif call.verb == Verb.REDELIVER:
            await change(work, call.order_id, partial(_taken_again, self._waiting, work.now))
        elif call.verb == Verb.STOP:
            await change(work, call.order_id, too_late if said == TOO_LATE else stopped_in_time)
            if said == TOO_LATE:
                poke(work, call.order_id)

    async def _goes_to(self, case: Case) -> Destination:
        """The lease's address, read afresh, and whom the order names (SK-05)."""
        order = await self._store.order(case.order_id)
        # Last, since whoever hears of another address looks at what was noted of this one, and that comes next.
        permission = await self._rooms.may_order_keys(case.member_id, case.room_id)
        if not permission.allowed:
            raise _NoLonger(permission.refusal)
        return Destination(order.recipient, permission.address)

    async def _leaves_for(self, call: Call, case: Case) -> Destination:
        """Where a key is let go to, noted before the maker hears it: a lost answer cannot hide what it was told."""
        to = await self._goes_to(case)
        noted = partial(calls.note_address, key=call.key, mark=mark(to.address))
        if await self.commands.database.transact(noted) != mark(to.address):
            raise _NoLonger(ADDRESS_CHANGED)
        return to

    async def _check(self, call: Call, case: Case) -> str:
        async with self.commands.database.reading() as session:
            number = await self._vault.open(session, call.number_id)
        if number is None or case.state != State.CHECKING or case.check_round != call.ordinal:
            raise _NoLonger("check-overtaken")
        return await self._maker.check(call.key, call.order_id, number, Kind(case.kind))

    async def _order(self, call: Call, case: Case) -> str:
        async with self.commands.database.reading() as session:
            number = await self._vault.open(session, case.number_id)
        if number is None:
            raise _NoLonger("key-number-erased")
        if case.state == State.CANCELLING:
            raise _NoLonger("order-cancelled")
        keys = Ordered(Kind(case.kind), case.quantity, case.building_code)
        await self._maker.order(call.key, call.order_id, number, keys, await self._goes_to(case))
        return ""

    async def _remake(self, call: Call, case: Case) -> str:
        if case.state == State.CANCELLING:
            raise _NoLonger("order-cancelled")
        await self._maker.remake(call.key, call.order_id)
        return ""

    async def _release(self, call: Call, case: Case) -> str:
        await self._maker.release(call.key, call.order_id, await self._leaves_for(call, case))
        return ""

    async def _redeliver(self, call: Call, case: Case) -> str:
        charge = self._waiting.rules.redelivery_charge
        await self._maker.redeliver(call.key, call.order_id, await self._leaves_for(call, case), charge)
        return ""

    async def _stop(self, call: Call, case: Case) -> str:  # noqa: ARG002  # as its siblings
        return "" if await self._maker.stop(call.key, call.order_id) else TOO_LATE

    async def sweep(self) -> None:
        """Makes the calls that a crash or a silent maker left open."""
        now = self.commands.clock.now()
        async with self.commands.database.reading() as session:
            orders = await calls.left_open(session, now, _SWEPT_AFTER, _SWEPT_AT_ONCE)
        for order_id in orders:
            try:
                await self.carry_out(order_id, unasked=True)
            except RuumError as failure:
                _log.warning("open call waits", order_id=order_id, code=failure.code)
            except Exception:  # noqa: BLE001  # what one order has wrong must not keep the others from the maker
                _log.exception("open call failed", order_id=order_id)
