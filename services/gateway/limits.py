"""How fast anybody may ask (PO-02).

Not the `limits` library: its storage in memory looks at every key after every request, which with twenty thousand
clients took fifteen milliseconds each.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

from services.gateway.problems import TooManyRequests

_MINUTE = 60.0


class Limits:
    """Counts requests over the last minute, in this process: this minute's, and of the one before what still counts.

    Args:
        seconds: a clock that only goes forward.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._minute = 0
        self._before: dict[str, int] = {}
        self._now: defaultdict[str, int] = defaultdict(int)

    def count(self, who: str, most: int) -> None:
        """Counts one request of somebody who may make `most` a minute.

        Raises:
            TooManyRequests: there were too many; says when to try again.
        """
        passed = self._turn()
        before, now = self._before.get(who, 0), self._now[who]
        if before * (1 - passed) + now + 1 > most:
            raise TooManyRequests(retry_after=timedelta(seconds=_wait(before, now, most, passed)))
        self._now[who] = now + 1

    def _turn(self) -> float:
        """How much of this minute has passed."""
        minute, passed = divmod(self._seconds(), _MINUTE)
        if minute != self._minute:
            self._before = self._now if minute == self._minute + 1 else {}
            self._now = defaultdict(int)
            self._minute = int(minute)
        return passed / _MINUTE


def _wait(before: int, now: int, most: int, passed: float) -> float:
    """Seconds until one more fits: within this minute as the one before fades, else as this one fades."""
    free = most - 1
    if now <= free:
        return _MINUTE * (1 - (free - now) / before - passed)
    return _MINUTE * (1 - passed) + _MINUTE * (1 - free / now)
