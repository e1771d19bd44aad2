"""The confirmation page, placing the order, and what came of it (SK-26, SK-27, PO-13)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from pydantic import BaseModel

from services.chassis.caller import Caller
from services.chassis.errors import Kind, NotFound, RemoteError, RuumError, Unavailable
from services.chassis.events import ProcessLine
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.sparekey.cases import repository
from services.sparekey.cases.changes import PROCESS, Change, change
from services.sparekey.cases.models import Case, Columns
from services.sparekey.cases.transitions import Cause, State
from services.sparekey.cases.waiting import Waiting
from services.sparekey.drafts import repository as drafts
from services.sparekey.drafts.domain import Draft, DraftChanged, derived, own_draft, place_of
from services.sparekey.numbers.domain import Vault
from services.sparekey.numbers.models import KeyNumber
from services.sparekey.placing import repository as placements
from services.sparekey.placing.models import Placement
from services.sparekey.ports import Answer, Permission, Placing, Processes, Rooms, Snapshot, Store

_GRACE_SECONDS = 10
# How long the one who places an order waits for the answer, and how long the outbox does when it asks again.
_PATIENCE = timedelta(seconds=20)
_PRESSED_FOR = timedelta(seconds=5)


class KeyNumberMissing(RuumError):
    """No key number was entered (SK-10)."""

    kind = Kind.REFUSED
    code = "key-number-missing"


class TermsNotAgreed(RuumError):
    """Terms and cancellation rules were not ticked as read (SK-26)."""

    kind = Kind.REFUSED
    code = "key-terms-not-agreed"


class TermsOutdated(RuumError):
    """Other terms hold now than those that were read (SK-26)."""

    kind = Kind.REFUSED
    code = "key-terms-outdated"


class ReviewOutdated(RuumError):
    """What was confirmed is not what would be ordered: number, order or lease have changed (SK-26)."""

    kind = Kind.REFUSED
    code = "key-review-outdated"


class ReviewOrder(Command):
    order_id: str
    language: str


class PlaceOrder(Command):
    order_id: str
    snapshot_hash: str
    terms_version: str
    cancellation_version: str
    agreed: bool


class Began(BaseModel):
    """Which try a request began."""

    attempt: int


@dataclass(frozen=True)
class Review:
    """The confirmation page; `number` is shown whole to its owner, here and nowhere else (SK-11, SK-12)."""

    draft: Draft
    snapshot_hash: str
    number: KeyNumber
    terms_version: str
    cancellation_version: str


class Placings(Verbs):
    """Freezes, places, and settles."""

    def __init__(
        self,
        commands: Commands,
        vault: Vault,
        rooms: Rooms,
        store: Store,
        processes: Processes,
        waiting: Waiting,
    ) -> None:
        self.commands = commands
        self._vault = vault
        self._rooms = rooms
        self._store = store
        self._processes = processes
        self._waiting = waiting
        self._rules = waiting.rules

    async def review(self, caller: Caller, asked: ReviewOrder) -> Review:
        """The page to be read back, stored by the store as a hashed snapshot without the number itself (SK-26).

        Raises:
            NotFound, OrderBeingPlaced: no draft of the caller's.
            KeyNumberMissing: first the number.
            RoomRefuses: no longer any keys for this member and room.
            DraftChanged: it was changed while it was frozen.
        """
        case = own_draft(await repository.read(self.commands.database, asked.order_id), caller)
        permission = (await self._rooms.may_order_keys(caller.name, case.room_id)).needed()
        async with self.commands.database.reading() as session:
            number = await self._vault.open(session, case.number_id)
            if number is None or case.number_id is None:
                raise KeyNumberMissing(field="key_number")
            facts = _facts(case, await self._vault.digest(session, case.number_id))
        snapshot = await self._store.snapshot(
            derived(asked.request_id, caller, f"review/{case.version}"),
            case.order_id,
            caller.name,
            facts,
            asked.language,
            permission.address,
        )
        await self._freeze(caller, asked, case, snapshot, permission)
        return Review(
            Draft(case, number, snapshot.checkout),
            snapshot.hash,
            number,
            self._rules.terms_version,
            self._rules.cancellation_version,
        )

    @command
    async def _freeze(
        self, work: Work, _asked: ReviewOrder, case: Case, snapshot: Snapshot, permission: Permission
    ) -> None:
        frozen: Columns = {
            "snapshot_hash": snapshot.hash,
            "wish_date": snapshot.checkout.wish_date,
            "touched_at": work.now,
            **place_of(permission),
        }
        if not await drafts.edit_draft(work.tx, case, frozen):
            raise DraftChanged

    async def place(self, caller: Caller, asked: PlaceOrder) -> Answer:
        """Places the order and says what came of it; of two tabs one places (PO-13).

        Raises:
            TermsNotAgreed, TermsOutdated, ReviewOutdated, KeyNumberMissing: before anything is taken.
            RoomRefuses, NotFound, OrderBeingPlaced: as `review`.
            RemoteError: a neighbour refused, by its own name; everything is free again.
        """
        self._ticked(asked)
        case = (await repository.read(self.commands.database, asked.order_id)).own(caller.name)
        permission, contractor_id = await asyncio.gather(
            self._rooms.may_order_keys(caller.name, case.room_id), self._rooms.contractor(case.room_id)
        )
        began = await self._begin(caller, asked, permission.needed().lease_version, contractor_id)
        return await self._answer(asked.order_id, began.attempt)

    def _ticked(self, asked: PlaceOrder) -> None:
        if not asked.agreed:
            raise TermsNotAgreed(field="agreed")
        valid = (self._rules.terms_version, self._rules.cancellation_version)
        if (asked.terms_version, asked.cancellation_version) != valid:
            raise TermsOutdated(field="terms_version")

    @command
    async def _begin(self, work: Work, asked: PlaceOrder, lease_version: int, contractor_id: str) -> Began:
        begun = partial(_begun, work.caller, asked, lease_version, contractor_id)
        case = await change(work, asked.order_id, begun)
        confirmed = asked.model_dump(include={"snapshot_hash", "terms_version", "cancellation_version"})
        tried = Placement.make(order_id=case.order_id, attempt=case.attempt, agreed_at=work.now, **confirmed)
        await placements.begin(work.tx, tried)
        ids = {"order_id": case.order_id, "member_id": case.member_id, "room_id": case.room_id}
        start = ProcessLine(
            process=PROCESS,
            key=case.order_id,
            arguments={**ids, "attempt": case.attempt, **confirmed},
            grace_seconds=_GRACE_SECONDS,
        )
        work.run(start)
        return Began(attempt=case.attempt)

    async def _answer(self, order_id: str, attempt: int) -> Answer:
        """What came of a try, from our own book where it is settled, else from its process."""
        async with self.commands.database.reading() as session:
            placement = await placements.placement(session, order_id, attempt)
            case = await repository.get(session, order_id)
        if placement is None or case is None:
            raise NotFound
        if placement.outcome:
            return _told(placement)
        return await self._ask(case, placement, _PATIENCE)

    async def _ask(self, case: Case, placement: Placement, patience: timedelta) -> Answer:
        tried = Placing(
            order_id=case.order_id,
            member_id=case.member_id,
            room_id=case.room_id,
            attempt=placement.attempt,
            snapshot_hash=placement.snapshot_hash,
            terms_version=placement.terms_version,
            cancellation_version=placement.cancellation_version,
        )
        try:
            return await self._processes.place(tried, patience)
        except RemoteError as refusal:
            # The process has undone everything and ends: from here on our own book tells why, whoever asks again.
            await self._note_refusal(case.order_id, placement.attempt, refusal.code)
            raise

    async def press_on(self, order_id: str, attempt: int) -> None:
        """Makes sure that a try reaches its process, when the one who made it could not (OP-06).

        Raises:
            Unavailable: it is not known yet; to be asked again.
        """
        async with self.commands.database.reading() as session:
            placement = await placements.placement(session, order_id, attempt)
            case = await repository.get(session, order_id)
        if placement is None or case is None or placement.outcome or case.state != State.PLACING:
            return
        try:
            answer = await self._ask(case, placement, _PRESSED_FOR)
        except RemoteError:
            return
        if answer.outcome == "pending":
            raise Unavailable

    async def _note_refusal(self, order_id: str, attempt: int, code: str) -> None:
        now = self.commands.clock.now()
        await self.commands.database.transact(
            lambda tx: placements.settle(tx, order_id, attempt, "refused", now, code=code)
        )


def _begun(caller: Caller, asked: PlaceOrder, lease_version: int, contractor_id: str, case: Case) -> Change:
    draft = own_draft(case, caller)
    if draft.number_id is None:
        raise KeyNumberMissing(field="key_number")
    if draft.snapshot_hash != asked.snapshot_hash or draft.lease_version != lease_version:
        raise ReviewOutdated(field="snapshot_hash")
    other = contractor_id if contractor_id != caller.name else ""
    return Change(Cause.PLACED, State.PLACING, set={"attempt": draft.attempt + 1, "contractor_id": other})


def _told(placement: Placement) -> Answer:
    if placement.outcome == "refused":
        raise RemoteError(Kind.REFUSED, placement.code)
    if placement.outcome == "placed":
        return Answer("placed", order_number=placement.order_number)
    return Answer("declined", decline_code=placement.code)


def _facts(case: Case, digest: str) -> Mapping[str, str]:
    """What the flow adds to the confirmation page: ids, versions and instants (SK-04, SK-08, SK-26)."""
    facts = {
        "key_kind": str(case.kind),
        "key_number_reference": case.number_id or "",
        "key_number_digest": digest,
        "building_code": case.building_code,
        "notices_version": case.notices_version,
        "notices_language": case.notices_language,
        "notices_agreed_at": case.notices_agreed_at.isoformat(),
    }
    if case.no_e_touch_agreed_at is not None:
        facts["no_e_touch_acknowledged_at"] = case.no_e_touch_agreed_at.isoformat()
    return facts
