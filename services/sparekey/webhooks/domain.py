"""Taking partners' webhooks: each once, in whatever order they come, with the same end (SK-51, QA-06)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

import structlog

from services.chassis.caller import Caller
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.sparekey.calls.models import Verb
from services.sparekey.cases import repository as cases
from services.sparekey.cases.changes import Change, change, poke
from services.sparekey.cases.models import CARRIER, POST, Case, Columns
from services.sparekey.cases.transitions import Cause, State
from services.sparekey.cases.waiting import Waiting
from services.sparekey.making import repository as making
from services.sparekey.making.verdicts import Verdicts, give, remade_free
from services.sparekey.numbers.domain import Vault
from services.sparekey.numbers.models import KeyNumber, KeyNumberMalformed
from services.sparekey.webhooks import ports, repository
from services.sparekey.webhooks.models import Scan, Webhook
from services.sparekey.webhooks.ports import Message, WebhookReader
from services.sparekey.webhooks.travel import Travel

_log = structlog.get_logger()

_CARRIERS = {"post": POST, "parcel": CARRIER}
UNREADABLE_REPLY, DESTROYED_EARLY = "reply-unreadable", "destroyed-early"

Take = Callable[[Work, Any], Awaitable[None]]


class ReceiveWebhook(Command):
    """A partner's message; its request id is the partner's id of it."""


class Webhooks(Verbs):
    """Understands what partners say of an order."""

    def __init__(
        self, commands: Commands, reader: WebhookReader, vault: Vault, verdicts: Verdicts, waiting: Waiting
    ) -> None:
        self.commands = commands
        self._reader = reader
        self._vault = vault
        self._verdicts = verdicts
        self._waiting = waiting
        self._travel = Travel(waiting)
        self._takes: Mapping[type[ports.Content], Take] = {
            ports.Checked: self._checked,
            ports.NumberAsked: self._number_asked,
            ports.NumberReplied: self._number_replied,
            ports.Ready: self._ready,
            ports.Dispatched: self._dispatched,
            ports.Returned: self._returned,
            ports.Destroyed: self._destroyed,
        }

    async def receive(self, caller: Caller, partner: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Takes a message. Returns whether this very message had been taken before.

        Raises:
            WebhookForged, WebhookStale, WebhookMalformed, WebhookUnreadable: nothing is changed.
        """
        message = self._reader.read(partner, headers, body)
        async with self.commands.database.reading() as session:
            if await repository.seen(session, partner, message.message_id):
                return True
        # The same message at the same moment is held by the command: it acts once, too.
        await self._take(caller, ReceiveWebhook(request_id=f"{partner}/{message.message_id}"), message)
        return False

    @command
    async def _take(self, work: Work, _asked: ReceiveWebhook, message: Message) -> None:
        content = message.content
        order_id = content.order_ref if isinstance(content, ports.OfOrder) else ""
        before = await cases.get(work.tx, order_id) if order_id else None
        version = before.version if before else 0
        if isinstance(content, ports.Tracking):
            order_id, version = await self._scanned(work, message.partner, content)
        elif content is not None and before is not None:
            await self._takes[type(content)](work, content)
        else:
            _log.warning("word of no order of ours", kind=message.type.replace("_", "-"))
        after = await cases.get(work.tx, order_id) if order_id else None
        # Only what has changed the case is worth a look of the process.
        moved = after is not None and after.version != version
        if moved:
            poke(work, order_id)
        taken = Webhook.make(
            partner=message.partner,
            message_id=message.message_id,
            type=message.type,
            order_id=order_id if after else "",
            moved=moved,
            taken_at=work.now,
        )
        await repository.take(work.tx, taken)

    async def _checked(self, work: Work, content: ports.Checked) -> None:
        await making.learn(work.tx, content.check_id, content.order_ref, result=content.result)
        await self._verdicts.judge(work, content.order_ref)

    async def _number_asked(self, work: Work, content: ports.NumberAsked) -> None:
        await making.learn(work.tx, content.check_id, content.order_ref, mailed_at=content.mailed_at)
        await self._verdicts.judge(work, content.order_ref)

    async def _number_replied(self, work: Work, content: ports.NumberReplied) -> None:
        """The customer answered the maker's mail (SK-14); it may come before the maker's own word of asking."""
        try:
            number = KeyNumber.read(content.key_number)
        except KeyNumberMalformed:
            await change(work, content.order_ref, _cannot_read)
            return
        number_id = await self._vault.keep(work, content.order_ref, number, "maker")
        case = await change(work, content.order_ref, partial(self._replied, work.now, number_id))
        # A reply that came too late, or a second one, is of no use: its number is not kept.
        if number_id not in {case.number_id, case.early_number_id}:
            await self._vault.drop(work.tx, number_id)

    def _replied(self, now: datetime, number_id: str, case: Case) -> Change | None:
        if case.state == State.CHECKING:
            return Change(Cause.NOTED, case.state, set={"early_number_id": number_id})
        if case.state == State.NUMBER_ASKED and case.in_time(now):
            return give(number_id, now, self._waiting, case)
        if case.state in {State.NUMBER_ASKED, State.CANCELLING, State.CANCELLED}:
            off = case.state != State.NUMBER_ASKED
            return Change(Cause.NOTED, case.state, told="key-late-reply", asks=Verb.STOP if off else None)
        return None

    async def _ready(self, work: Work, content: ports.Ready) -> None:
        await change(work, content.order_ref, partial(_cut, content.making))

    async def _dispatched(self, work: Work, content: ports.Dispatched) -> None:
        carrier = _CARRIERS[content.carrier]
        at = content.occurred_at
        await self._travel.dispatched(work, content.order_ref, content.tracking_number, carrier, content.making, at)

    async def _returned(self, work: Work, content: ports.Returned) -> None:
        await self._travel.returned(work, content.order_ref, content.tracking_number, content.returned_on)

    async def _destroyed(self, work: Work, content: ports.Destroyed) -> None:
        """In time for somebody who has a right to it, it is made again; else it is as it had to be (SK-35)."""
        await change(work, content.order_ref, partial(_gone, content.destroyed_on))

    async def _scanned(self, work: Work, partner: str, content: ports.Tracking) -> tuple[str, int]:
        """Whose parcel it is, and the case's version before."""
        parcel = await repository.parcel(work.tx, content.tracking_number)
        case = await cases.get(work.tx, parcel.order_id) if parcel else None
        version = case.version if case else 0
        # A carrier's clock may be ahead of ours; nothing that we count from lies in the future.
        at = min(content.occurred_at, work.now)
        # Each carrier numbers its own scans.
        ours = {"event_id": f"{partner}/{content.event_id}", "occurred_at": at}
        scan = Scan.make(**content.model_dump() | ours, taken_at=work.now)
        return await self._travel.scanned(work, scan), version


def _cannot_read(case: Case) -> Change | None:
    if case.state not in {State.CHECKING, State.NUMBER_ASKED}:
        return None
    return Change(Cause.NOTED, case.state, set={"needs_operator": UNREADABLE_REPLY})


def _cut(making: int, case: Case) -> Change | None:
    if case.state != State.MAKING or making < case.making:
        return None
    return Change(Cause.CUT, State.READY, set={"making": making}, told="key-ready")


def _gone(destroyed_on: date, case: Case) -> Change | None:
    awaited = case.state == State.REDELIVERY_REQUESTED or (case.state == State.REDELIVERING and not case.on_its_way)
    if awaited and not case.frozen:
        return remade_free()
    if case.destroyed_on is not None or case.state in {State.DRAFT, State.PLACING}:
        return None
    noted: Columns = {"destroyed_on": destroyed_on}
    if case.state not in {State.DESTROYED, State.CANCELLED}:
        noted["needs_operator"] = DESTROYED_EARLY
    return Change(
        Cause.NOTED,
        case.state,
        set=noted,
        told="key-destroyed-by-maker",
        params={"destroyed_on": destroyed_on.isoformat()},
    )
