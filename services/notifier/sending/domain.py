"""Sends what is due: asks whom to reach and what was ordered, writes, hands over, marks (OP-11).

Whatever fails on the way is tried again. A process that dies between handing over and marking leaves its claim to run
out: the next one sends the same Message-ID, or the same reference of an SMS, which is the same message.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.clock import Clock
from services.chassis.db import Database
from services.chassis.errors import RuumError
from services.chassis.sealing import keyed_digest
from services.notifier.deliveries import repository
from services.notifier.deliveries.models import Delivery, State
from services.notifier.letters.domain import NO_PURCHASE, Writer
from services.notifier.models import Channel
from services.notifier.ports import NothingToSend, NotNow, Ports, Purchase, Refused
from services.notifier.settings import Rules

_log = structlog.get_logger()

T = TypeVar("T")

_AT_ONCE = 8
_IDLE_SECONDS = 0.25
_AWAY_SECONDS = 1.0
_GRACE_SECONDS = 4
_LONGEST_DOUBLING = 20


@dataclass(frozen=True)
class Reader:
    """Who reads a message, where and how, and what it says: known only at the moment of sending."""

    channel: Channel
    address: str = field(repr=False)
    language: str
    name: str = field(repr=False)
    letter: str
    facts: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """What became of a try; without a state another one follows."""

    state: State | None
    failure: str = ""


class _TakenOver(Exception):  # never leaves this module
    """Our claim ran out, and another process has the delivery."""


class Sender:
    """Takes due deliveries and brings each to its end.

    Args:
        key: keys the digests of addresses in the delivery log.
    """

    def __init__(
        self, database: Database, clock: Clock, ports: Ports, writer: Writer, rules: Rules, key: bytes
    ) -> None:
        self._database = database
        self._clock = clock
        self._ports = ports
        self._writer = writer
        self._rules = rules
        self._key = key
        self._under_way: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Sends until it is stopped, then lets what is under way finish."""
        try:
            while True:
                try:
                    await self._fill()
                except RuumError as failure:
                    _log.warning("sender waits", code=failure.code)
                    await asyncio.sleep(_AWAY_SECONDS)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_SECONDS):
                    while self._under_way:
                        await asyncio.wait(self._under_way)

    async def _fill(self) -> None:
        """Starts as many deliveries as there is room for, then waits for room or for work."""
        room = _AT_ONCE - len(self._under_way)
        # Also when we are told to end meanwhile: what is claimed already is under way.
        claimed = await asyncio.shield(self._started(self._take(room))) if room else 0
        if claimed or not room:
            await asyncio.wait(self._under_way, timeout=_IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(_IDLE_SECONDS)

    async def _take(self, room: int) -> int:
        lease = self._rules.sending_lease
        claimed = await self._database.transact(lambda tx: repository.claim(tx, room, lease))
        for delivery in claimed:
            self._started(self.deliver(delivery))
        return len(claimed)

    def _started(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def deliver(self, delivery: Delivery) -> None:
        """One try of one delivery; every failure is noted, none is raised."""
        try:
            await self._settle(delivery, await self._tried(delivery))
        except _TakenOver:
            _log.info("delivery taken over", delivery_id=delivery.id)
        except RuumError as failure:
            # The database is away: the claim runs out, and another try follows.
            _log.warning("delivery not marked", delivery_id=delivery.id, code=failure.code)

    async def _tried(self, delivery: Delivery) -> Outcome:
        try:
            if delivery.state == "planned":
                await self._send(delivery)
            if delivery.of_envelope:
                await self._ports.identity.close(delivery.recipient, f"{delivery.id}/close")
        except NothingToSend:
            return Outcome("lapsed")
        except Refused as refused:
            return Outcome("bounced", refused.reason)
        except NotNow as failure:
            return Outcome(None, failure.reason)
        except RuumError as failure:
            return Outcome(None, failure.code)
        except _TakenOver:
            raise
        except Exception:  # noqa: BLE001  # one message that cannot be written must not hold up the others
            _log.exception("delivery failed", delivery_id=delivery.id)
            return Outcome(None, "defect")
        return Outcome("sent")

    async def _send(self, delivery: Delivery) -> None:
        reader = await (self._of_envelope(delivery) if delivery.of_envelope else self._of_member(delivery))
        purchase = await self._purchase(delivery)
        letter = self._writer.write(reader.letter, reader.language, reader.name, reader.facts, purchase)
        digest = keyed_digest(reader.address, self._key, "notifier/address")
        # Where it goes is committed before it goes: a further try keeps to the channel.
        if not await self._database.transact(lambda tx: repository.address(tx, delivery, reader.channel, digest)):
            raise _TakenOver
        if reader.channel == "mail":
            mail = self._writer.mail(letter, reader.address, delivery.id, delivery.planned_at)
            await self._ports.mail.send(mail)
        else:
            await self._ports.sms.send(reader.address, self._writer.sms(letter), delivery.id)
        if delivery.of_envelope:
            await self._database.transact(lambda tx: repository.unclosed(tx, delivery))

    async def _purchase(self, delivery: Delivery) -> Purchase:
        order_id = delivery.facts.get("order_id")
        return await self._ports.store.purchase(order_id) if order_id else NO_PURCHASE

    async def _of_envelope(self, delivery: Delivery) -> Reader:
        found = await self._ports.identity.open(delivery.recipient)
        facts = {"digits": found.code, "sequence": found.sequence, "expires_at": found.expires_at}
        return Reader(found.channel, found.address, found.language, "", f"code-{found.purpose}", facts)

    async def _of_member(self, delivery: Delivery) -> Reader:
        contact = await self._ports.identity.contact(delivery.recipient)
        reached: dict[Channel, str] = {"mail": contact.email, "sms": contact.phone}
        # An earlier try may have gone out: the next keeps to its channel, also when the contact has changed.
        channel = delivery.channel or ("mail" if contact.email else "sms")
        if not reached[channel]:
            raise NothingToSend
        name, facts = contact.name, delivery.facts
        return Reader(channel, reached[channel], contact.language, name, delivery.letter, facts)

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        state = outcome.state
        if state is None and delivery.tries >= self._rules.most_tries:
            state = "given-up"
        await self._database.transact(partial(self._mark, delivery, state, outcome.failure))
        tell = _log.info if state in {"sent", "lapsed"} else _log.warning
        code = outcome.failure.removeprefix("smtp-").removeprefix("sms-") or None
        tell("delivery tried", delivery_id=delivery.id, state=state or "planned", attempt=delivery.tries, code=code)

    async def _mark(self, delivery: Delivery, state: State | None, failure: str, tx: AsyncSession) -> None:
        if state is None:
            await repository.later(tx, delivery, self._pause(delivery.tries), failure)
        else:
            await repository.end(tx, delivery, self._clock.now(), state, failure)

    def _pause(self, tries: int) -> timedelta:
        doubled = self._rules.retry_first * 2.0 ** min(tries - 1, _LONGEST_DOUBLING)
        return min(doubled, self._rules.retry_longest) * random.uniform(0.75, 1)  # noqa: S311  # spreads, hides nothing
