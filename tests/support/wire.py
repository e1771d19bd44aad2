"""A wire to a server that a test cuts at a chosen word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from deploy.local.ports import LOOPBACK


class Wire:
    """Passes bytes on both ways until a client says the word that it was told to be cut at, or to keep answers from.

    Attributes:
        port: where clients connect.
        cuts: how often it was cut.
        kept: set once answers are kept.
    """

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.cuts = 0
        self._server_port = server_port
        self._word = b""
        self._arrives = False
        self._last_word = b""
        self.kept = asyncio.Event()
        self._answers = asyncio.Event()
        self._answers.set()

    def keep_answers_to(self, word: bytes) -> None:
        """Whatever the server says from when a client has said `word` is kept until `let_through`."""
        self._last_word = word

    def let_through(self) -> None:
        self._last_word = b""
        self._answers.set()

    def cut_before(self, word: bytes) -> None:
        """The next client that says `word` is not heard."""
        self._word, self._arrives = word, False

    def cut_after(self, word: bytes) -> None:
        """The next client that says `word` is heard, and hears no answer."""
        self._word, self._arrives = word, True

    async def connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(LOOPBACK, self._server_port)
        back = asyncio.ensure_future(self._pass_on(server, to_client))
        with suppress(ConnectionError, asyncio.CancelledError):
            await self._listen(client, to_server, server, back)
        back.cancel()
        for end in (to_client, to_server):
            end.close()

    async def _listen(
        self,
        client: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        back: asyncio.Future[None],
    ) -> None:
        while said := await client.read(65536):
            if self._last_word and self._last_word in said:
                self._answers.clear()
                self.kept.set()
            cut = self._word and self._word in said
            if not cut or self._arrives:
                if cut:
                    back.cancel()
                to_server.write(said)
                await to_server.drain()
            if cut:
                self._word = b""
                self.cuts += 1
                if self._arrives:
                    with suppress(asyncio.CancelledError):
                        await back
                    await server.read(1)  # it was heard: the server answers
                return

    async def _pass_on(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while said := await server.read(65536):
                await self._answers.wait()
                to_client.write(said)
                await to_client.drain()
            to_client.close()


@asynccontextmanager
async def wire_to(server_port: int) -> AsyncIterator[Wire]:
    """A wire from a free port of this machine to another."""
    wire = Wire(server_port)
    ends = await asyncio.start_server(wire.connected, LOOPBACK, 0)
    wire.port = ends.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        ends.close()
