"""Callers as they are when two hundred come at once: told to ask again, they do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.chassis.errors import RuumError

T = TypeVar("T")


async def insisting(ask: Callable[[], Awaitable[T]]) -> T:
    """What a caller gets who asks the same again for as long as the answer is that this may help."""
    while True:
        try:
            return await ask()
        except RuumError as refused:
            if not refused.row.retryable:
                raise
            await asyncio.sleep(0.05)  # two hundred who ask on end keep each other waiting
