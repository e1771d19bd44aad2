"""Signs and sends webhooks, again and again until they are taken."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import sqlite3
import time

import httpx

from deploy.sandbox.settings import Settings
from deploy.sandbox.world import World

_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 30.0
_STALE_S = 3600
_AT_ONCE = 16
_TIMEOUT_S = 10.0
_DUE = """
SELECT * FROM webhooks AS w WHERE state = 'waiting' AND due <= ?
AND (follows IS NULL OR EXISTS (SELECT 1 FROM webhooks AS p WHERE p.seq = w.follows AND p.attempts > 0))
ORDER BY due, seq LIMIT 64
"""


def signature_headers(row: sqlite3.Row, key: bytes, timestamp: int) -> dict[str, str]:
    """The headers that prove where a webhook comes from, as Stripe or as Standard Webhooks has them."""
    if row["manner"] == "stale":
        timestamp -= _STALE_S
    if row["manner"] == "forged":
        key += b"?"
    if row["partner"] == "card":
        told = f"{timestamp}.{row['body']}".encode()
        return {"stripe-signature": f"t={timestamp},v1={hmac.new(key, told, hashlib.sha256).hexdigest()}"}
    told = f"{row['id']}.{timestamp}.{row['body']}".encode()
    mac = base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": row["id"],
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{mac}",
    }


class Webhooks:
    def __init__(self, world: World, settings: Settings) -> None:
        self._world = world
        self._settings = settings
        self._sending: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            while True:
                self._world.new_webhooks.clear()
                # One instant for both: what fell due between two would be neither sent nor waited for.
                now = time.time()
                async with self._world.store.transaction():
                    self._start_due(client, now)
                    wait = self._until_due(now)
                try:
                    async with asyncio.timeout(wait):
                        await self._world.new_webhooks.wait()
                except TimeoutError:
                    continue

    def _start_due(self, client: httpx.AsyncClient, now: float) -> None:
        for row in self._world.store.run(_DUE, now).fetchall():
            if len(self._sending) >= _AT_ONCE:
                return
            if row["seq"] not in self._sending:
                self._sending[row["seq"]] = asyncio.create_task(self._send(client, row))

    def _until_due(self, now: float) -> float | None:
        """Seconds until one more can be sent; None: not before something changes."""
        sql = "SELECT min(due) AS due FROM webhooks WHERE state = 'waiting' AND due > ?"
        due = self._world.store.run(sql, now).fetchone()["due"]
        return None if due is None else max(0.0, due - time.time())

    async def _send(self, client: httpx.AsyncClient, row: sqlite3.Row) -> None:
        try:
            partner = row["partner"]
            now = int(self._world.now().timestamp())
            headers = signature_headers(row, self._settings.signing_key(partner), now)
            headers["content-type"] = "application/json"
            url = f"{self._settings.sandbox_webhook_base.rstrip('/')}/{partner}"
            try:
                answer = await client.post(url, content=row["body"].encode(), headers=headers)
            except httpx.HTTPError as failure:
                await self._note(row, type(failure).__name__, taken=False, final=False)
            else:
                # A tampered one is sent to be refused: the refusal ends it.
                final = answer.is_success or row["manner"] != "true"
                await self._note(row, str(answer.status_code), taken=answer.is_success, final=final)
        finally:
            del self._sending[row["seq"]]
            self._world.new_webhooks.set()

    async def _note(self, row: sqlite3.Row, outcome: str, *, taken: bool, final: bool) -> None:
        state = ("delivered" if taken else "refused") if final else "waiting"
        pause = min(_FIRST_BACKOFF_S * 2 ** min(row["attempts"], 10), _LONGEST_BACKOFF_S)
        async with self._world.store.transaction():
            self._world.store.run(
                "UPDATE webhooks SET state = ?, outcome = ?, attempts = attempts + 1, due = ? WHERE seq = ?",
                state,
                outcome,
                time.time() + pause,
                row["seq"],
            )
