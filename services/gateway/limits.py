"""How fast a client may ask (PO-02)."""

from __future__ import annotations

import math
import time
from datetime import timedelta

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from services.gateway.problems import TooManyRequests


class Limits:
    """Counts a client's requests in this process over the last minute."""

    def __init__(self, per_minute: int) -> None:
        self._most = RateLimitItemPerMinute(per_minute)
        self._window = MovingWindowRateLimiter(MemoryStorage())

    async def count(self, client: str) -> None:
        """Counts one request.

        Raises:
            TooManyRequests: there were too many; says when to try again.
        """
        if await self._window.hit(self._most, client):
            return
        free_at, _ = await self._window.get_window_stats(self._most, client)
        raise TooManyRequests(retry_after=timedelta(seconds=max(1, math.ceil(free_at - time.time()))))
