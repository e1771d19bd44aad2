"""The one clock that a service stamps by, and how a developer moves it for all processes (PR-05)."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

_MICROSECOND = timedelta(microseconds=1)
_SIZE = 8
_Offset = ctypes.c_int64.__ctype_le__


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, in UTC."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until a test advances it."""

    def __init__(self, at: datetime) -> None:
        if at.utcoffset() is None:
            raise ValueError("an instant needs a zone")
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def advance(self, by: timedelta) -> None:
        _forward(by)
        self._at += by


class MovableClock:
    """The machine's time plus an offset that all processes of a developer's machine share (PR-05).

    The offset is a signed 64-bit little-endian number of microseconds in a file that every process maps, so a
    move is seen by all at their next `now()`. The file is made, with no offset, when it is missing.

    Raises:
        ValueError: the file is there and is not a clock's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("a+b") as file:
            size = os.fstat(file.fileno()).st_size
            if size not in {0, _SIZE}:
                raise ValueError(f"{path} is no clock file: {size} bytes")
            os.ftruncate(file.fileno(), _SIZE)
            # An aligned eight-byte word is read and written whole: no reader ever sees half of a move.
            self._shared = _Offset.from_buffer(mmap.mmap(file.fileno(), _SIZE))

    @property
    def offset(self) -> timedelta:
        return timedelta(microseconds=self._shared.value)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def move(self, by: timedelta) -> None:
        """Moves every process's time forward; moves made at once add up.

        Raises:
            ValueError: the move goes back in time.
        """
        _forward(by)
        with self._path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._shared.value += by // _MICROSECOND


def clock_from(deployment: str, clock_file: Path | None) -> Clock:
    """The clock of a process (PR-05).

    Raises:
        ValueError: a clock file is set anywhere but on a developer's machine (deployment `local`).
    """
    if clock_file is None:
        return SystemClock()
    if deployment != "local":
        raise ValueError(f"time cannot be moved in deployment {deployment!r}: unset RUUM_CLOCK_FILE")
    return MovableClock(clock_file)


def _forward(by: timedelta) -> None:
    if by < timedelta():
        raise ValueError("time only moves forward")
