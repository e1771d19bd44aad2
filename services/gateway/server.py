"""The HTTP server, as it stands in this process: stopped by a signal, with open streams ended first (PO-04)."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

_GRACE_SECONDS = 10
# Longer than proxies keep a connection that nobody uses, so that it is they who close it.
_IDLE_SECONDS = 75


class HttpServer(uvicorn.Server):
    """Serves until SIGTERM or Ctrl-C; answers under way are finished first.

    Args:
        listen: `host:port`.
        leaving: is called before connections are closed: ends what would not end by itself.
    """

    def __init__(self, app: ASGIApp, listen: str, leaving: Callable[[], None]) -> None:
        host, _, port = listen.rpartition(":")
        config = uvicorn.Config(
            app,
            host=host.strip("[]"),
            port=int(port),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)
        self._leaving = leaving

    def stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As the library's own, which would raise the signal again when all is done: then no wiring is undone."""
        loop, signals = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leaving()
        await super().shutdown(sockets)
