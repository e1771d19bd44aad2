"""What was sent and is still to be sent, and every way to send it wrongly on purpose."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from datetime import UTC, datetime
from typing import Any, Literal

from deploy.sandbox.rest import Refused
from deploy.sandbox.world import World, iso, token

SENDERS = ("card", "deferred", "epos", "maker", "post", "carrier")
State = Literal["waiting", "held", "delivered", "refused"]
Sequence = Literal["sent", "reversed", "shuffled"]


def _seen(row: sqlite3.Row) -> dict[str, Any]:
    body = json.loads(row["body"])
    data = body.get("data", {})
    if "key_number" in data:
        data["key_number"] = "••••••••"
    kept = {name: row[name] for name in ("id", "partner", "type", "manner", "state", "attempts", "outcome")}
    return {**kept, "made_at": iso(datetime.fromtimestamp(row["made"], UTC)), "body": body}


class WebhookLog:
    def __init__(self, world: World) -> None:
        self._world = world

    def newest(self, partner: str, state: str, q: str, limit: int) -> list[dict[str, Any]]:
        """The log; `q` is an id or anything its body says."""
        rows = self._world.store.run(
            "SELECT * FROM webhooks WHERE (?1 = '' OR partner = ?1) AND (?2 = '' OR state = ?2)"
            " AND (?3 = '' OR id = ?3 OR instr(body, json_quote(?3))) ORDER BY seq DESC LIMIT ?4",
            partner,
            state,
            q,
            limit,
        )
        return [_seen(row) for row in rows]

    def again(self, key: str, manner: str, times: int = 1) -> dict[str, Any]:
        """Sends one more time, truly, forged or stale."""
        row = self._row(key)
        for _ in range(times):
            self._world.enqueue(row["partner"], key, row["type"], json.loads(row["body"]), manner)
        return _seen(self._row(key))

    def invent(self, partner: str, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """Sends what never happened, with a signature that is not the partner's."""
        key = token("evt")
        body = {"id": key, "type": kind, "occurred_at": iso(self._world.now()), "data": data}
        self._world.enqueue(partner, key, kind, body, "forged")
        return _seen(self._row(key))

    def release(self, partner: str, sequence: Sequence) -> int:
        """Lets go what is held, one after the other, and holds nothing more; says how many."""
        store = self._world.store
        for sender in (partner,) if partner else SENDERS:
            rule = self._world.webhook_rule(sender)
            store.turn(f"webhooks {sender}", rule.model_copy(update={"hold": False}).model_dump())
        held = "SELECT seq FROM webhooks WHERE state = 'held' AND (?1 = '' OR partner = ?1) ORDER BY seq"
        queue = [row["seq"] for row in store.run(held, partner)]
        if sequence == "reversed":
            queue.reverse()
        elif sequence == "shuffled":
            random.shuffle(queue)
        for before, seq in zip([None, *queue], queue, strict=False):
            let_go = "UPDATE webhooks SET state = 'waiting', due = ?, follows = ? WHERE seq = ?"
            store.run(let_go, time.time(), before, seq)
        store.on_commit(self._world.new_webhooks)
        return len(queue)

    def _row(self, key: str) -> sqlite3.Row:
        sql = "SELECT * FROM webhooks WHERE id = ? ORDER BY seq DESC LIMIT 1"
        row: sqlite3.Row | None = self._world.store.run(sql, key).fetchone()
        if row is None:
            raise Refused(404, "not_found", "no webhook of this id")
        return row
