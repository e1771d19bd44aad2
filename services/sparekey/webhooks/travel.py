"""A parcel on its way: what scans and the maker's word of its return mean for the case (SK-31…SK-35, SK-41)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import partial

from services.chassis.idempotency import Work
from services.chassis.jst import jst_date, period_end
from services.sparekey.cases import repository as cases
from services.sparekey.cases.asked import at_the_door
from services.sparekey.cases.changes import Change, change
from services.sparekey.cases.events import (
    KeyDispatched,
    KeyHandedOver,
    KeyLost,
    MailRedirectAlarm,
)
from services.sparekey.cases.models import CARRIER, POST, Case, Columns, Entry
from services.sparekey.cases.transitions import Cause, State, admits
from services.sparekey.cases.waiting import Waiting
from services.sparekey.webhooks import repository
from services.sparekey.webhooks.models import Journey, Parcel, Scan, Scanned

NOT_MINE, REDIRECT, LOST, UNRELEASED = "reported-not-mine", "mail-redirect", "parcel-lost", "dispatched-unreleased"
_NOTHING_LEAVES = frozenset(
    {State.MAKING, State.READY, State.CLEARED, State.CANCELLING, State.CANCELLED, State.DESTROYED}
)
_TRAVELS = frozenset({State.DISPATCHED, State.REDELIVERING})
_REACHES = {State.HANDED_OVER: Cause.HANDED_OVER, State.LOST: Cause.LOST, State.ABSENT: Cause.ABSENT}


class Travel:
    """Follows parcels. Its verbs may come in any order and more than once: facts are kept, and read anew each time."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    async def dispatched(
        self, work: Work, order_id: str, tracking_number: str, carrier: str, making: int, at: datetime
    ) -> None:
        """The maker handed a parcel to a carrier; scans that came before this word count from now on."""
        await repository.turn(work.tx, tracking_number)
        if await repository.note_parcel(work.tx, tracking_number, order_id) is None:
            return
        sent = partial(self._sent, tracking_number, carrier, making, at)
        before = (await cases.found(work.tx, order_id)).tracking_number
        case = await change(work, order_id, sent)
        if case.tracking_number == tracking_number and before != tracking_number:
            await self._tell(work, order_id, await repository.scans_of(work.tx, tracking_number))
            # Reported while the key lay at the maker; from now on it matters.
            if case.redirect_at:
                await alarm(work, order_id)
        await self.follow(work, order_id, tracking_number)

    def _sent(self, tracking_number: str, carrier: str, making: int, at: datetime, case: Case) -> Change | None:
        if case.tracking_number == tracking_number:
            return None
        # `leaves`: it is the parcel that we wait for, also if our stop came too late. Anything else is either old news
        # or a key that left although we had not let it go.
        if carrier == CARRIER:
            stopped_too_late = _stopped_since(case, State.REDELIVERY_REQUESTED)
            leaves = (case.state == State.REDELIVERING or stopped_too_late) and not case.on_its_way
        else:
            stopped_too_late = _stopped_since(case, State.RELEASED) and not case.on_its_way
            # A number that the desk mistyped is never scanned: the maker's own replaces it.
            mistyped = case.state == State.DISPATCHED and case.carrier == POST and case.last_scan_at is None
            leaves = (case.state == State.RELEASED or stopped_too_late or mistyped) and making >= case.making
        if not leaves:
            unreleased = case.state in _NOTHING_LEAVES and making >= case.making
            return Change(Cause.NOTED, case.state, set={"needs_operator": UNRELEASED}) if unreleased else None
        to = State.REDELIVERING if carrier == CARRIER else State.DISPATCHED
        sent: Columns = {
            "tracking_number": tracking_number,
            "carrier": carrier,
            "dispatched_at": at,
            "last_scan_at": None,
            "absent_since": None,
            "collected_at": None,
            # Who was called because it was stopped stays called: it has left all the same.
            "needs_operator": case.needs_operator if case.state == State.STOPPED else "",
        }
        return Change(
            Cause.DISPATCHED,
            to,
            set={**sent, **self._waiting.for_scan(at)},
            told="key-dispatched",
            params={"tracking_number": tracking_number},
            at=at,
            fact=partial(
                KeyDispatched.of,
                tracking_number=tracking_number,
                carrier=carrier,
                redelivery=case.redelivery,
                dispatched_at=at,
                charge=at_the_door(self._waiting.rules, carrier),
            ),
        )

    async def scanned(self, work: Work, scan: Scan) -> str:
        """A carrier said something of a parcel. Returns whose it is; empty while the maker has not told."""
        await repository.turn(work.tx, scan.tracking_number)
        fresh = await repository.note_scan(work.tx, scan)
        parcel = await repository.parcel(work.tx, scan.tracking_number)
        if parcel is None:
            return ""
        case = await cases.found(work.tx, parcel.order_id)
        if fresh and case.tracking_number == scan.tracking_number:
            await self._tell(work, parcel.order_id, [scan])
            await self.follow(work, parcel.order_id, scan.tracking_number)
        return parcel.order_id

    async def _tell(self, work: Work, order_id: str, scans: Sequence[Scan]) -> None:
        await cases.tell(work.tx, [_entry(order_id, scan) for scan in scans])
        if any(scan.kind == Scanned.REDIRECTED for scan in scans):
            await alarm(work, order_id)

    async def returned(self, work: Work, order_id: str, tracking_number: str, on: date) -> None:
        """The maker has the parcel back: its day counts, whatever the carrier says (SK-34)."""
        await repository.turn(work.tx, tracking_number)
        await repository.note_parcel(work.tx, tracking_number, order_id, on)
        await self.follow(work, order_id, tracking_number)

    async def follow(self, work: Work, order_id: str, tracking_number: str) -> None:
        """Moves the case to where its parcel is, by all that is known of it now."""
        parcel = await repository.parcel(work.tx, tracking_number)
        journey = Journey.of(await repository.scans_of(work.tx, tracking_number))
        if parcel is not None:
            await change(work, order_id, partial(self._followed, work.now, parcel, journey))

    def _followed(self, now: datetime, parcel: Parcel, journey: Journey, case: Case) -> Change | None:
        if case.tracking_number != parcel.tracking_number:
            return None
        known: Columns = {
            "last_scan_at": journey.last_scan_at,
            "absent_since": journey.absent_since,
            "collected_at": journey.collected_at,
        }
        # The maker has it in its hands: that outweighs every scan.
        if parcel.returned_on is not None and admits(case.state, Cause.RETURNED):
            return self._is_back(now, parcel.returned_on, known)
        reached = journey.reached
        if reached is not None and case.state != reached and admits(case.state, _REACHES[reached]):
            return self._reached(now, reached, journey, case, known)
        if case.state in _TRAVELS:
            scanned = [at for at in (case.dispatched_at, journey.last_scan_at) if at]
            known |= {**self._waiting.for_scan(max(scanned, default=now)), "needs_operator": _concern(case, journey)}
        elif case.state == State.ABSENT:
            first = journey.absent_since or now
            moved: Columns = self._waiting.held(first, now) if first != case.absent_since else {}
            known |= {**moved, "needs_operator": _concern(case, journey)}
        # Another version without anything new would only wake the process.
        if all(getattr(case, name) == value for name, value in known.items()):
            return None
        return Change(Cause.NOTED, case.state, set=known)

    def _reached(self, now: datetime, state: State, journey: Journey, case: Case, known: Columns) -> Change:
        cause = _REACHES[state]
        if state == State.HANDED_OVER:
            at = journey.handed_over_at
            until = period_end(at or now, days=self._waiting.rules.claim_days)
            fact = partial(KeyHandedOver.of, claims_until=until)
            return Change(cause, state, set={**known, "handed_over_at": at}, fact=fact)
        if state == State.LOST:
            return Change(cause, state, set={**known, "needs_operator": LOST}, fact=KeyLost.of)
        held = self._waiting.held(journey.absent_since or now, now)
        waits: Columns = {**known, **held, "needs_operator": _concern(case, journey)}
        return Change(cause, state, set=waits, fact=self._waiting.asked)

    def _is_back(self, now: datetime, on: date, known: Columns) -> Change:
        stored: Columns = {**known, **self._waiting.stored(on, jst_date(now), now)}
        return Change(
            Cause.RETURNED,
            State.RETURNED,
            set={"returned_on": on, **stored},
            told="key-returned",
            params={"returned_on": on.isoformat()},
            fact=self._waiting.asked,
        )


async def alarm(work: Work, order_id: str) -> None:
    """Keys are not to be sent on: a person must look, and the member hears of it (SK-37)."""

    def decide(case: Case) -> Change | None:
        if not case.on_its_way or case.state not in _TRAVELS | {State.ABSENT}:
            return None
        return Change(Cause.NOTED, case.state, set={"needs_operator": REDIRECT}, fact=MailRedirectAlarm.of)

    await change(work, order_id, decide)


def _stopped_since(case: Case, state: State) -> bool:
    """Whether it was called back from there, and nothing is settled since."""
    return case.state in {State.STOPPED, State.CANCELLING} and case.stopped_from == state


def _concern(case: Case, journey: Journey) -> str:
    """Why a person must look while the parcel travels: also why it was stopped, if it left all the same (SK-05)."""
    if case.not_mine_at:
        return NOT_MINE
    if case.redirect_at or journey.redirected:
        return REDIRECT
    return case.reason if case.stopped_from else ""


def _entry(order_id: str, scan: Scan) -> Entry:
    return Entry.make(order_id=order_id, code=_code(scan.kind), at=scan.occurred_at)


def _code(kind: str) -> str:
    return f"key-parcel-{kind.replace('_', '-')}"


SCAN_CODES: Iterable[str] = tuple(_code(kind) for kind in Scanned)
"""Lines of the timeline that carriers cause."""
