"""Connecting to a stream that is not there: for ever, until somebody has had enough."""

from __future__ import annotations

import asyncio

from deploy.local.ports import free_port
from services.chassis import stream


async def test_whoever_has_had_enough_waits_no_longer() -> None:
    nowhere = f"nats://127.0.0.1:{free_port()}"

    async def impatient() -> str:
        try:
            async with asyncio.timeout(0.5):
                await stream.connect(nowhere, "impatient")
        except TimeoutError:
            return "gave up"
        return "connected"

    # So many that some are told in the same turn of the loop in which a try of theirs fails.
    waiting = [asyncio.ensure_future(impatient()) for _ in range(200)]
    done, still = await asyncio.wait(waiting, timeout=20)
    for task in still:
        task.cancel()

    assert not still
    assert {task.result() for task in done} == {"gave up"}
