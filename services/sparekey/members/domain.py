"""What members ask of their orders (SK-14, SK-25, SK-30, SK-34, SK-37)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from functools import partial

import structlog

from services.chassis.caller import Caller
from services.chassis.errors import InvalidField, Kind, NotFound, RuumError, Violation
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.sparekey.cases import repository
from services.sparekey.cases.changes import Change, change, poke
from services.sparekey.cases.events import MailRedirectAlarm, RedeliveryAccepted
from services.sparekey.cases.models import Case, Columns
from services.sparekey.cases.transitions import Cause, State
from services.sparekey.cases.waiting import Waiting
from services.sparekey.making.domain import Making
from services.sparekey.making.verdicts import TOO_LATE, call_back, give, stop
from services.sparekey.members.models import Action, Situation, admit
from services.sparekey.numbers.domain import Vault
from services.sparekey.numbers.models import KeyNumber
from services.sparekey.ports import Rooms
from services.sparekey.webhooks.travel import NOT_MINE, REDIRECT

_log = structlog.get_logger()

_BEFORE_DISPATCH = frozenset(
    {State.CHECKING, State.NUMBER_ASKED, State.ACCEPTED, State.MAKING, State.READY, State.RETURNED, State.STOPPED}
)
_STOPPABLE = frozenset(
    {
        State.READY,
        State.CLEARED,
        State.RELEASED,
        State.RETURNED,
        State.REDELIVERY_REQUESTED,
        State.REDELIVERING,
    }
)


class CancellationNotPossible(RuumError):
    """A key order is not cancelled for the customer's reasons, before or after delivery (SK-30)."""

    kind = Kind.REFUSED
    code = "key-cancellation-not-possible"


class OfOrder(Command):
    order_id: str


class ReplyKeyNumber(OfOrder):
    key_number: str


class RequestRedelivery(OfOrder):
    charge_accepted: bool


class ReportNotMine(OfOrder):
    household_asked: bool


class ReportMailRedirect(OfOrder):
    pass


class ChooseWishDate(OfOrder):
    wish_date: str


class MemberActions(Verbs):
    """What members ask. Who may act for the room is asked of rooms each time; reports need only the order (RM-05)."""

    def __init__(self, commands: Commands, vault: Vault, making: Making, rooms: Rooms, waiting: Waiting) -> None:
        self.commands = commands
        self._vault = vault
        self._making = making
        self._rooms = rooms
        self._waiting = waiting

    async def reply(self, caller: Caller, asked: ReplyKeyNumber) -> None:
        """The correct number, in answer to the question for it; against the deadline one side wins (SK-14).

        Raises:
            KeyNumberMalformed: it is no key number.
            NumberNotAsked: too late, or nothing is asked.
            RoomRefuses: the member may no longer act for the room.
        """
        number = KeyNumber.read(asked.key_number)
        await self._acts_for_room(caller, asked.order_id)
        await self._reply(caller, asked, number)

    @command
    async def _reply(self, work: Work, asked: ReplyKeyNumber, number: KeyNumber) -> None:
        number_id = await self._vault.keep(work, asked.order_id, number, "member")
        await change(work, asked.order_id, partial(self._replied, work.now, number_id))
        poke(work, asked.order_id)

    def _replied(self, now: datetime, number_id: str, case: Case) -> Change:
        admit(Action.REPLY_KEY_NUMBER, case, Situation(now, resident=True))
        return give(number_id, now, self._waiting, case)

    async def redeliver(self, caller: Caller, asked: RequestRedelivery) -> None:
        """Once more to the address of the lease, 935 yen on delivery (SK-34, SK-36).

        Raises:
            InvalidField: the charge is not agreed to.
            RedeliveryNotPossible: the parcel is not there, or the month is over.
            RoomRefuses: the lease has ended, or the member was removed.
        """
        if not asked.charge_accepted:
            raise _wrong("charge_accepted", "key-redelivery-charge-not-accepted", charge=self._charge)
        await self._acts_for_room(caller, asked.order_id)
        await self._change(caller, asked, self._redelivery_asked)

    def _redelivery_asked(self, now: datetime, case: Case) -> Change:
        admit(Action.REQUEST_REDELIVERY, case, Situation(now, resident=True))
        return redelivery_asked(case, self._charge)

    async def not_mine(self, caller: Caller, asked: ReportNotMine) -> None:
        """Nobody of theirs ordered it: frozen at once, and everything back while no key is cut (SK-30).

        Raises:
            InvalidField: the household was not asked (ST-37).
            AlreadyReported: it was, or the order is over.
        """
        if not asked.household_asked:
            raise _wrong("household_asked", "key-household-not-asked")
        await self._own(caller, asked.order_id)
        await self._change(caller, asked, _reported_not_mine)
        await self._stop_at_maker(asked.order_id)

    async def mail_redirect(self, caller: Caller, asked: ReportMailRedirect) -> None:
        """Mail goes elsewhere, or somebody else is to receive: frozen before the post has it, an alarm after (SK-37).

        Raises:
            AlreadyReported: it was, or the order is over.
        """
        await self._own(caller, asked.order_id)
        await self._change(caller, asked, _reported_redirect)
        await self._stop_at_maker(asked.order_id)

    async def choose_wish(self, caller: Caller, asked: ChooseWishDate) -> None:
        """Another day, or none, when the first has passed before dispatch (SK-25).

        Raises:
            InvalidField: it is no day that is offered.
            WishNotAsked: none is asked for.
            RoomRefuses: the member may no longer act for the room.
        """
        wish = _day(asked.wish_date)
        await self._acts_for_room(caller, asked.order_id)
        await self._change(caller, asked, partial(self._wish_chosen, wish))

    def _wish_chosen(self, wish: date | None, now: datetime, case: Case) -> Change:
        admit(Action.CHOOSE_WISH_DATE, case, Situation(now, resident=True))
        if wish is not None and wish not in self._waiting.wishes(now):
            raise _wrong("wish_date", "key-wish-date-not-offered")
        return Change(
            Cause.NOTED,
            State.READY,
            set={"wish_date": wish, "wish_asked": False, "deadline": None},
            told="key-wish-date-chosen" if wish else "key-goes-without-wish",
            params={"wish_date": wish.isoformat()} if wish else {},
        )

    async def cancel(self, caller: Caller, order_id: str) -> None:
        """Always refused (SK-30).

        Raises:
            CancellationNotPossible: with the reason.
            NotFound: not the caller's.
        """
        await self._own(caller, order_id)
        raise CancellationNotPossible

    @property
    def _charge(self) -> int:
        return self._waiting.rules.redelivery_charge

    async def _own(self, caller: Caller, order_id: str) -> Case:
        return own(await repository.read(self.commands.database, order_id), caller)

    async def _acts_for_room(self, caller: Caller, order_id: str) -> None:
        case = await self._own(caller, order_id)
        (await self._rooms.may_order_keys(case.member_id, case.room_id)).needed()

    @command
    async def _change(self, work: Work, asked: OfOrder, decide: Callable[[datetime, Case], Change]) -> None:
        await change(work, asked.order_id, partial(decide, work.now))
        poke(work, asked.order_id)

    async def _stop_at_maker(self, order_id: str) -> None:
        """At once if the maker can be reached; what is left open is carried later."""
        try:
            await self._making.carry_out(order_id)
        except RuumError as failure:
            _log.warning("the maker hears of it later", order_id=order_id, code=failure.code)


def own(case: Case, caller: Caller) -> Case:
    """A member's own order, once it is more than a draft.

    Raises:
        NotFound: else (PR-15).
    """
    if case.state == State.DRAFT:
        raise NotFound
    return case.own(caller.name)


def redelivery_asked(case: Case, charge: int) -> Change:
    """One more redelivery, each with its own charge (SK-35)."""
    ordinal = case.redelivery + 1
    return Change(
        Cause.REDELIVERY_REQUESTED,
        State.REDELIVERY_REQUESTED,
        set={"redelivery": ordinal},
        told="key-redelivery-requested",
        params={"charge": str(charge)},
        fact=partial(RedeliveryAccepted.of, redelivery=ordinal, charge=charge),
    )


def _reported_not_mine(now: datetime, case: Case) -> Change:
    admit(Action.REPORT_NOT_MINE, case, Situation(now, resident=False))
    noted: Columns = {"frozen": True, "not_mine_at": now, "reason": NOT_MINE}
    if case.state in {State.CHECKING, State.NUMBER_ASKED, State.ACCEPTED, State.MAKING}:
        return Change(Cause.REPORTED, State.CANCELLING, set=noted, told=f"key-{NOT_MINE}")
    # That a carrier has it is what keeps operators from deciding as if it lay at the maker.
    called = TOO_LATE if case.needs_operator == TOO_LATE else NOT_MINE
    return _held(case, NOT_MINE, noted) or Change(
        Cause.NOTED, case.state, set={**noted, "needs_operator": called}, told=f"key-{NOT_MINE}"
    )


def _reported_redirect(now: datetime, case: Case) -> Change:
    admit(Action.REPORT_MAIL_REDIRECT, case, Situation(now, resident=False))
    noted: Columns = {"redirect_at": now, "reason": REDIRECT}
    if case.state in _BEFORE_DISPATCH:
        return Change(Cause.NOTED, case.state, set={**noted, "frozen": True}, told=f"key-{REDIRECT}")
    return _held(case, REDIRECT, {**noted, "frozen": True}) or Change(
        Cause.NOTED,
        case.state,
        set={**noted, "needs_operator": REDIRECT},
        told=f"key-{REDIRECT}",
        fact=MailRedirectAlarm.of,
    )


def _held(case: Case, reason: str, noted: Columns) -> Change | None:
    """Stopped, where no carrier has the parcel yet; also at the maker, if it was told to let it go."""
    if case.state not in _STOPPABLE or (case.state == State.REDELIVERING and case.on_its_way):
        return None
    held = call_back(case, reason, Cause.REPORTED) if case.told_to_leave else stop(case, reason, Cause.REPORTED)
    return replace(held, set={**held.set, **noted}, told=f"key-{reason}")


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written) if written else None
    except ValueError:
        raise _wrong("wish_date", "day-not-in-calendar") from None


def _wrong(field: str, code: str, **params: str | int) -> InvalidField:
    return InvalidField(field=field, violations=[Violation(field, code, params)])
