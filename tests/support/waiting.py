"""Waiting for what other tasks and processes bring about."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any


async def until(look: Callable[[], Awaitable[Any] | Any], within: float = 20.0) -> Any:
    """What a look finds, once it finds something; `TimeoutError` when that takes longer, in seconds."""
    async with asyncio.timeout(within):
        while True:
            found = look()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)
