"""A lost stream is made anew: every context hands on once more what it ever told (OP-10)."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from services.chassis import stream
from services.chassis.db import Database
from services.chassis.errors import Unavailable
from services.chassis.events import Outbox, outbox_table
from services.chassis.settings import DatabaseSettings, EventSettings

_PATIENCE_SECONDS = 10


class RetellingSettings(DatabaseSettings, EventSettings):
    """As the context's own service is told."""


async def tell_again(context: str, settings: RetellingSettings) -> int:
    """Makes the stream where it is missing, then marks every event of a context to be handed on by its service.

    Returns how many there are.

    Raises:
        Unavailable: stream or database cannot be reached.
    """
    await _make_stream(context, settings.nats_url.get_secret_value())
    database = Database(settings.database_url.get_secret_value())
    try:
        return await Outbox(context, None, outbox_table(sa.MetaData(schema=context))).tell_again(database)
    finally:
        await database.close()


async def _make_stream(context: str, url: str) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            client = await stream.connect(url, f"{context}-retelling")
    except TimeoutError:
        raise Unavailable from None
    try:
        await stream.ensure_stream(client)
    finally:
        await client.close()
