"""`GET /api/v1/events`: a member's live updates as server-sent events, resumable (PO-03)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import timedelta

import structlog
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.chassis.errors import RuumError
from services.gateway.live.feed import Feed, Happening, Mark, Watcher
from services.gateway.problems import Missing, SessionOver, TooManyRequests
from services.gateway.sessions import Sessions

_log = structlog.get_logger()

PATH = "/events"
MOST_A_SESSION = 10
MOST = 5_000
_SEND_PATIENCE = 10.0
_RETRY_MS = 2_000
_FULL = timedelta(seconds=30)
_AUDIENCE = "identity"
HEADERS: Mapping[str, str] = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class Events:
    """Opens streams."""

    heartbeat = 15.0
    """Seconds between signs of life; at each the session is looked at."""

    def __init__(self, feed: Feed, sessions: Sessions) -> None:
        self._feed = feed
        self._sessions = sessions

    async def open(self, request: Request) -> Response:
        """A stream of the asker's own events.

        Raises:
            NotSignedIn, SessionOver
            Missing: nothing has been heard of the stream yet, or too many watch.
            TooManyRequests: this session watches too often.
        """
        session = self._sessions.session_of(request)
        token = await self._sessions.token(session, _AUDIENCE)
        if not self._feed.stream or len(self._feed) >= MOST:
            raise Missing("events", _FULL)
        if self._feed.watching(token.session_id, token.member_id) >= MOST_A_SESSION:
            raise TooManyRequests(retry_after=_FULL)
        if request.method == "HEAD":
            return Response(headers=HEADERS)
        after = Mark.parse(request.headers.get("last-event-id", ""))
        watcher = self._feed.watch(token.member_id, token.session_id, after)
        return _Stream(self, watcher, session, self.beginning(after))

    async def follow(self, watcher: Watcher, session: str, send: Send) -> None:
        """Sends until the watcher has ended, is too slow, or its session is over."""
        loop = asyncio.get_running_loop()
        beat = loop.time() + self.heartbeat
        while not watcher.ended:
            told = await watcher.next(beat - loop.time())
            if told:
                await _send(send, "".join(self._written(told)))
            if loop.time() >= beat:
                if not await self._lives(session):
                    return
                # The mark moves on for those, too, to whom nothing happens.
                await _send(send, ":\n" + (_id(self._feed.mark) if watcher.idle else "") + "\n")
                beat = loop.time() + self.heartbeat

    def beginning(self, after: Mark | None) -> str:
        """What a stream begins with: where to go on from, for a client that has come nowhere yet."""
        return f"retry: {_RETRY_MS}\n" + ("" if after else _id(self._feed.mark)) + "\n"

    def leave(self, watcher: Watcher) -> None:
        self._feed.leave(watcher)

    async def _lives(self, session: str) -> bool:
        try:
            await self._sessions.token(session, _AUDIENCE)
        except SessionOver:
            return False
        except RuumError:
            return True  # nobody can say now; it is asked again
        return True

    def _written(self, told: list[Happening | None]) -> Iterator[str]:
        for happening in told:
            if happening is None:
                yield f"event: reset\ndata: {{}}\n{_id(self._feed.mark)}\n"
                continue
            data = to_json({"aggregate_id": happening.aggregate_id, "version": happening.version}).decode()
            yield f"event: {happening.kind}\ndata: {data}\n{_id(Mark(self._feed.stream, happening.place))}\n"


class _Stream(Response):
    """An answer that goes on."""

    def __init__(self, events: Events, watcher: Watcher, session: str, beginning: str) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._events = events
        self._watcher = watcher
        self._session = session
        self._beginning = beginning

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        gone.add_done_callback(lambda _: self._watcher.end())
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await _send(send, self._beginning)
            await self._events.follow(self._watcher, self._session, send)
            await _send(send, "", more=False)
        except TimeoutError:
            _log.info("stream too slow")
        finally:
            gone.cancel()
            self._events.leave(self._watcher)


async def _gone(receive: Receive) -> None:
    """Waits until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, text: str, *, more: bool = True) -> None:
    """Sends, as long as somebody reads.

    Raises:
        TimeoutError: nobody does.
    """
    async with asyncio.timeout(_SEND_PATIENCE):
        await send({"type": "http.response.body", "body": text.encode(), "more_body": more})


def _id(mark: Mark) -> str:
    return f"id: {mark}\n"
