"""Waiting for what other tasks and processes bring about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(holds: Callable[[], Awaitable[bool]], within: float = 10.0) -> None:
    """Asks again and again; fails with `TimeoutError` when it does not hold within so many seconds."""
    async with asyncio.timeout(within):
        while not await holds():  # noqa: ASYNC110  # other processes set no event of ours
            await asyncio.sleep(0.02)
