"""One service down must not hold up the rest: after a few failures in a row it is left alone for a while (PO-04).

The libraries that were looked at let every caller through while they try again, or are kept by nobody; with a service
that hangs, each of those callers would wait in vain.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from services.gateway.problems import Missing

_FAILURES = 5
_PAUSE = 2.0


class Breaker:
    """Lets calls through until so many have failed in a row, then a single one every two seconds, until one succeeds.

    Args:
        part: the service.
        patience: seconds after which a call has failed, the one that tries again too.
        seconds: a clock that only goes forward.
    """

    def __init__(self, part: str, patience: float, seconds: Callable[[], float] = time.monotonic) -> None:
        self.part = part
        self._patience = patience
        self._seconds = seconds
        self._failures = 0
        self._closed_until = 0.0

    @property
    def open(self) -> bool:
        """Whether the service is left alone."""
        return self._failures >= _FAILURES

    def admit(self) -> None:
        """Lets one call through.

        Raises:
            Missing: the service is left alone now.
        """
        if not self.open:
            return
        now = self._seconds()
        if now < self._closed_until:
            raise self.missing()
        self._closed_until = now + self._patience  # others wait for what this one finds out

    def succeeded(self) -> None:
        """The service answered, whatever it was."""
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        self._closed_until = self._seconds() + _PAUSE

    def missing(self) -> Missing:
        return Missing(self.part, timedelta(seconds=_PAUSE))
