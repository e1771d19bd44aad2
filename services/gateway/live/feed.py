"""What has just happened, for the members who watch (PO-03): a bounded past, and a bounded queue for each watcher."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass

MOST_KEPT = 20_000
MOST_WAITING = 100


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a member's: that something changed, not what; whoever watches asks for it.

    Attributes:
        place: in the stream, which counts all events of all contexts.
        kind: `points.points_granted`.
        member_id: whom it concerns.
        version: of the aggregate, after the change.
    """

    place: int
    kind: str
    member_id: str
    aggregate_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a watcher has come: a place in one stream, which may be lost and made anew (QA-08)."""

    stream: str
    place: int

    def __str__(self) -> str:
        return f"{self.stream}-{self.place}"

    @classmethod
    def parse(cls, written: str) -> Mark | None:
        stream, _, place = written.rpartition("-")
        known = stream.isascii() and stream.isalnum() and place.isascii() and place.isdigit() and len(place) < 20  # noqa: PLR2004  # 64 bits
        return cls(stream, int(place)) if known else None


class Watcher:
    """One open stream of live updates. Ends when it is too slow, its session ends, or the gateway leaves."""

    def __init__(self, member_id: str, session_id: str, after: int) -> None:
        self.member_id = member_id
        self.session_id = session_id
        self.ended = False
        self._after = after
        self._waiting: deque[Happening | None] = deque()
        self._woken = asyncio.Event()

    def tell(self, happening: Happening | None) -> None:
        """Queues a happening; None says that some were missed."""
        if happening is not None and happening.place <= self._after:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.end()
            return
        self._waiting.append(happening)
        self._woken.set()

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be told."""
        return not self._waiting

    def restart(self, after: int) -> None:
        """The stream is another: its places say nothing of the old one's."""
        self._after = after
        self.tell(None)

    def end(self) -> None:
        self.ended = True
        self._waiting.clear()
        self._woken.set()

    async def next(self, within: float) -> list[Happening | None]:
        """What has come; empty when nothing did within so many seconds, or it has ended."""
        if not self._waiting and not self.ended:
            try:
                async with asyncio.timeout(within):
                    await self._woken.wait()
            except TimeoutError:
                return []
        found = list(self._waiting)
        self._waiting.clear()
        if not self.ended:
            self._woken.clear()
        return found


class Feed:
    """Takes every event once and hands each to those whom it concerns."""

    def __init__(self) -> None:
        self.stream = ""
        self._first = 1
        self._newest = 0
        self._present = 0
        self._past: deque[Happening] = deque()
        self._watchers: defaultdict[str, set[Watcher]] = defaultdict(set)

    def __len__(self) -> int:
        return sum(map(len, self._watchers.values()))

    @property
    def mark(self) -> Mark:
        """The present: what was told before is the past also where it is still being read."""
        return Mark(self.stream, max(self._newest, self._present))

    @property
    def next_place(self) -> int:
        return self._newest + 1

    def begin(self, stream: str, first: int, present: int) -> None:
        """A stream of which all from `first` on will be told: at the start, or after the one before was lost."""
        self.stream, self._first, self._newest, self._present = stream, first, first - 1, present
        self._past.clear()
        for watcher in self._all():
            watcher.restart(present)

    def tell(self, place: int, happening: Happening | None) -> None:
        """The event at this place; None when it concerns nobody who could watch."""
        self._newest = place
        if happening is None:
            return
        if len(self._past) >= MOST_KEPT:
            self._first = self._past.popleft().place + 1
        self._past.append(happening)
        for watcher in tuple(self._watchers.get(happening.member_id, ())):
            watcher.tell(happening)

    def watch(self, member_id: str, session_id: str, after: Mark | None) -> Watcher:
        """A watcher who is told what came after the mark, as far as it is known, and all that comes."""
        if after is None or after.stream != self.stream or after.place < self._first - 1:
            watcher = Watcher(member_id, session_id, self.mark.place)
            if after is not None:
                watcher.tell(None)
        else:
            watcher = Watcher(member_id, session_id, after.place)
            for happening in self._past:
                if happening.member_id == member_id:
                    watcher.tell(happening)
        self._watchers[member_id].add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        watching = self._watchers[watcher.member_id]
        watching.discard(watcher)
        if not watching:
            del self._watchers[watcher.member_id]

    def watching(self, session_id: str, member_id: str) -> int:
        """How many streams a session has open."""
        return sum(watcher.session_id == session_id for watcher in self._watchers.get(member_id, ()))

    def end(self, session_id: str) -> None:
        """Ends the streams of a session."""
        for watcher in self._all():
            if watcher.session_id == session_id:
                watcher.end()

    def end_all(self) -> None:
        for watcher in self._all():
            watcher.end()

    def _all(self) -> list[Watcher]:
        return [watcher for watchers in self._watchers.values() for watcher in watchers]
