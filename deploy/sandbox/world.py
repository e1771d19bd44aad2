"""What all partners share: the time, the books, the jobs they do by themselves, the webhooks they send."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from deploy.sandbox.rest import Refused
from deploy.sandbox.store import Store, Thing
from services.chassis.clock import Clock

JST = ZoneInfo("Asia/Tokyo")
T = TypeVar("T", bound=Thing)


class Switch(BaseModel):
    """Whether a partner does something by itself, and after how many real milliseconds."""

    on: bool
    delay_ms: int = Field(ge=0)


AUTOMATION = {
    "maker.check": Switch(on=True, delay_ms=200),
    "maker.ready": Switch(on=True, delay_ms=500),
    "maker.dispatch": Switch(on=True, delay_ms=500),
    "post.hand_over": Switch(on=False, delay_ms=2000),
    "carrier.hand_over": Switch(on=False, delay_ms=2000),
}


class WebhookRule(BaseModel):
    """How a partner's webhooks leave."""

    hold: bool = False
    delay_ms: int = Field(default=0, ge=0)
    copies: int = Field(default=1, ge=1, le=50)


def token(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


class World:
    def __init__(self, clock: Clock, store: Store) -> None:
        self.clock = clock
        self.store = store
        self.jobs: dict[str, Callable[[str], None]] = {}
        self.new_jobs = asyncio.Event()
        self.new_webhooks = asyncio.Event()

    def now(self) -> datetime:
        return self.clock.now()

    def today(self) -> date:
        return japanese_day(self.now())

    def need(self, cls: type[T], key: str) -> T:
        """The thing of that key.

        Raises:
            Refused: 404.
        """
        thing = self.store.get(cls, key)
        if thing is None:
            raise Refused(404, "not_found", f"no {cls.KIND} of this id")
        return thing

    def switch(self, name: str) -> Switch:
        """How an automation stands.

        Raises:
            Refused: 404, there is none of that name.
        """
        if name not in AUTOMATION:
            raise Refused(404, "not_found", "no automation of this name")
        kept = self.store.knob(f"automation {name}")
        return Switch.model_validate(kept) if kept else AUTOMATION[name]

    def soon(self, name: str, subject: str) -> None:
        """Does the automation's job for `subject` after its delay, or once it is switched on."""
        self.after(name, subject, self.switch(name).delay_ms)

    def after(self, name: str, subject: str, delay_ms: int) -> None:
        self._job(name, subject, time.time() + delay_ms / 1000, moved=False)

    def at(self, name: str, subject: str, instant: datetime) -> None:
        """Does a job when the partners' clock, which may be moved, reaches `instant`."""
        self._job(name, subject, instant.timestamp(), moved=True)

    def _job(self, name: str, subject: str, due: float, *, moved: bool) -> None:
        self.store.run("INSERT INTO jobs (name, subject, due, moved) VALUES (?, ?, ?, ?)", name, subject, due, moved)

        self.store.on_commit(self.new_jobs)

    def do_moved_jobs(self) -> None:
        """Does what the moved clock made due; every request begins with it, so that none sees a stale state."""
        due = "DELETE FROM jobs WHERE moved = 1 AND due <= ? RETURNING name, subject"
        for job in self.store.run(due, self.now().timestamp()).fetchall():
            self.jobs[job["name"]](job["subject"])

    def announce(self, partner: str, kind: str, data: dict[str, Any], at: datetime | None = None) -> None:
        """Queues a webhook of the common shape."""
        webhook = token("evt")
        body = {"id": webhook, "type": kind, "occurred_at": iso(at or self.now()), "data": data}
        self.enqueue(partner, webhook, kind, body)

    def enqueue(self, partner: str, webhook: str, kind: str, body: dict[str, Any], manner: str = "true") -> None:
        """Queues a webhook as it is; `manner` says how it is signed: true, forged or stale."""
        rule = self.webhook_rule(partner) if manner == "true" else WebhookRule()
        made = time.time()
        for _ in range(rule.copies):
            self.store.run(
                "INSERT INTO webhooks (id, partner, type, body, manner, state, due, made)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                webhook,
                partner,
                kind,
                json.dumps(body, ensure_ascii=False),
                manner,
                "held" if rule.hold else "waiting",
                made + rule.delay_ms / 1000,
                made,
            )
        self.store.on_commit(self.new_webhooks)

    def webhook_rule(self, partner: str) -> WebhookRule:
        return WebhookRule.model_validate(self.store.knob(f"webhooks {partner}") or {})

    def set_next(self, partner: str, value: str | None, times: int) -> None:
        """Sets what the partner's next decisions are."""
        self.store.turn(f"next {partner}", {"value": value, "times": times} if value else None)

    def next_of(self, partner: str) -> tuple[str | None, int]:
        kept = self.store.knob(f"next {partner}") or {"value": None, "times": 0}
        return kept["value"], kept["times"]

    def take_next(self, partner: str) -> str | None:
        value, times = self.next_of(partner)
        if value is not None:
            self.set_next(partner, value if times > 1 else None, times - 1)
        return value


def japanese_day(instant: datetime) -> date:
    return instant.astimezone(JST).date()


def iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
