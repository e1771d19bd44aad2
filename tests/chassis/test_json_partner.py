"""Partners over HTTP that answer as no contract says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from deploy.local.ports import LOOPBACK
from services.chassis.partners import JsonPartner, OutcomeUnknown


@asynccontextmanager
async def dripping() -> AsyncIterator[str]:
    """A partner whose answer never ends, and is never silent for long."""

    async def answer(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        await client.readuntil(b"\r\n\r\n")
        to_client.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        with suppress(ConnectionError):
            while not to_client.is_closing():
                to_client.write(b" ")
                await to_client.drain()
                await asyncio.sleep(0.05)

    listening = await asyncio.start_server(answer, LOOPBACK, 0)
    try:
        yield f"http://{LOOPBACK}:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


async def test_an_answer_that_drips_is_late_as_a_whole() -> None:
    async with dripping() as url:
        partner = JsonPartner(url, "secret", answered_within=0.3)
        try:
            async with asyncio.timeout(5):
                with pytest.raises(OutcomeUnknown) as unknown:
                    await partner.get("/checks")
        finally:
            await partner.close()

    assert not unknown.value.answered
