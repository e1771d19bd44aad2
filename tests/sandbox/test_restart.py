from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import aiosmtplib
import httpx
import pytest

from tests.sandbox.harness import YAMADA, Sandbox, mail
from tests.support.waiting import until


async def restarted(sandbox: Sandbox) -> None:
    await sandbox.kill()
    await sandbox.start()


async def test_what_was_answered_is_there_after_a_kill(sandbox: Sandbox) -> None:
    new = {"merchant_ref": "ord_1", "amount": 3300, "return_url": "https://ruum.example/"}
    first = await sandbox.call("POST", "/epos/payments", new, key="step-1")
    await aiosmtplib.send(mail(), hostname="127.0.0.1", port=sandbox.smtp_port)
    await sandbox.fault("maker", away=True)

    await restarted(sandbox)

    again = await sandbox.call("POST", "/epos/payments", new, key="step-1")
    assert again.json() == first.json()
    assert len(await sandbox.seen("inbox")) == 1
    assert (await sandbox.call("GET", "/maker/orders/ord_1")).status_code == 503


async def test_a_kill_in_the_middle_of_many_requests_loses_and_doubles_nothing(sandbox: Sandbox) -> None:
    """Every caller repeats its own request until it is answered, over two kills."""

    async def order(number: int) -> Any:
        new = {
            "order_ref": f"ord_{number}",
            "key_number": "AB12CD34",
            "kind": "normal",
            "quantity": 1,
            **YAMADA,
        }
        while True:
            try:
                answer = await sandbox.call("POST", "/maker/orders", new, key=f"key-of-{number}")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            return answer.raise_for_status().json()["order_ref"]

    await sandbox.automatic("maker.ready", on=True, delay_ms=100)
    ordering = asyncio.gather(*(order(number) for number in range(120)))
    for _ in range(2):
        await asyncio.sleep(0.15)
        await restarted(sandbox)

    answered = await ordering

    kept = await sandbox.seen("orders", limit="1000")
    assert sorted(it["order_ref"] for it in kept) == sorted(answered)
    ready: dict[str, str] = {}

    def all_told() -> bool:
        ready.update({it.headers["webhook-id"]: it.data["order_ref"] for it in sandbox.receiver.received})
        return set(ready.values()) == set(answered)

    await until(all_told)
    assert len(ready) == 120


async def test_webhooks_that_were_not_taken_go_on_after_a_kill(sandbox: Sandbox) -> None:
    sandbox.receiver.statuses[:] = [503] * 3
    await sandbox.press("orders/ord_1/number-replied", key_number="AB12CD34")
    await sandbox.receiver.one("number_replied")

    await restarted(sandbox)

    await until(lambda: not sandbox.receiver.statuses)
    tries = await sandbox.receiver.all("number_replied", 4)
    assert len({it.headers["webhook-id"] for it in tries}) == 1


@pytest.mark.parametrize(("moved", "state"), [(timedelta(), "open"), (timedelta(hours=1), "expired")])
async def test_what_became_due_while_it_was_dead_is_done_at_once(
    sandbox: Sandbox, moved: timedelta, state: str
) -> None:
    new = {"merchant_ref": "ord_1", "amount": 3300, "return_url": "https://ruum.example/"}
    payment = await sandbox.done("POST", "/epos/payments", new)
    await sandbox.kill()
    await sandbox.pass_time(moved)

    await sandbox.start()

    assert (await sandbox.done("GET", f"/epos/payments/{payment['id']}"))["state"] == state
