"""What a running ruum leaves behind outside of the tables that own the data: all of it, to be searched (OP-03)."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
from google.protobuf.message import Message
from psycopg import sql
from temporalio.api.sdk.v1 import WorkflowMetadata

from deploy.local import nats
from deploy.local.table import Table
from services import CONTEXTS
from services.chassis import stream
from tests.journeys.town import Town

_KEPT = ("outbox", "inbox", "requests", "processes")
"""Of every context: what is told, what was heard, what was asked, and what was started."""


@dataclass(frozen=True)
class Secret:
    """Something that must not be found.

    Attributes:
        short: so short that it may be part of another number: only found where it stands alone.
    """

    name: str
    value: str
    short: bool = False

    def pattern(self) -> re.Pattern[bytes]:
        """The value as it stands, escaped, in hex or in base64, wherever in it it begins."""
        written = self.value.encode()
        plain = {written, json.dumps(self.value)[1:-1].encode(), quote(self.value).encode()}
        around = (rb"(?<![0-9A-Za-z.])", rb"(?![0-9A-Za-z])") if self.short else (b"", b"")
        found = [around[0] + re.escape(form) + around[1] for form in plain]
        found += [re.escape(written.hex().encode())]
        found += [re.escape(form) for form in _base64(written)]
        return re.compile(b"|".join(found), re.IGNORECASE if self.value.isascii() and not self.short else 0)


def _base64(written: bytes) -> Iterator[bytes]:
    """The signs that are certain, whatever stands before and after."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + written + b"\0\0")
        certain = coded[math.ceil(before * 8 / 6) : (before + len(written)) * 8 // 6]
        yield from {certain, certain.translate(bytes.maketrans(b"+/", b"-_"))}


def found(secrets: list[Secret], traces: Mapping[str, bytes]) -> list[str]:
    """Every secret that a trace has, by both their names; never what it is."""
    patterns = {secret.name: secret.pattern() for secret in secrets}
    return [
        f"{name} in {place}"
        for place, trace in traces.items()
        for name, pattern in patterns.items()
        if pattern.search(trace)
    ]


async def traces(town: Town) -> dict[str, bytes]:
    """Histories, case pages, stream, logs, metrics and the tables of the outbox's kind, by where they are."""
    table = town.stack.table
    left = {name: text async for name, text in _cases(town)}
    left |= {name: text async for name, text in _events(table)}
    left |= {name: text async for name, text in _rows(table)}
    left |= {name: text async for name, text in _metrics(town)}
    left |= {f"log {path.name}": path.read_bytes() for path in table.home.log("x").parent.rglob("*.log")}
    left |= {f"file {path.name}": path.read_bytes() for path in _files(table)}
    return left


async def _cases(town: Town) -> AsyncIterator[tuple[str, bytes]]:
    """Every workflow: its whole history with payloads as bytes, memo, search attributes, and what its page says."""
    async for case in town.client.list_workflows(""):
        handle = town.client.get_workflow_handle(case.id, run_id=case.run_id)
        history = await handle.fetch_history()
        yield f"history {case.id}", b"\n".join(map(_flat, history.events))
        yield f"description {case.id}", _flat((await handle.describe()).raw_description)
        yield f"page {case.id}", _flat(await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata))


def _flat(message: Message) -> bytes:
    return message.SerializeToString()


async def _events(table: Table) -> AsyncIterator[tuple[str, bytes]]:
    client = await stream.connect(table.nats.url(nats.ADMIN), "looks")
    told = client.jetstream()
    for name in [info.config.name for info in await told.streams_info()]:
        state = (await told.stream_info(str(name))).state
        for place in range(state.first_seq, state.last_seq + 1):
            message = await told.get_msg(str(name), place)
            headers = json.dumps(message.headers or {}).encode()
            yield f"event {message.subject} {place}", b"\n".join([headers, message.data or b""])
    await client.close()


async def _rows(table: Table) -> AsyncIterator[tuple[str, bytes]]:
    for context in CONTEXTS:
        async with await psycopg.AsyncConnection.connect(table.postgres.dsn(f"{context}_owner")) as owner:
            named = await owner.execute("select tablename from pg_tables where schemaname = %s", [context])
            for (name,) in await named.fetchall():
                if name in _KEPT or context in {"points", "notifier"}:
                    rows = sql.SQL("select t::text from {} t").format(sql.Identifier(context, str(name)))
                    kept = await (await owner.execute(rows)).fetchall()
                    yield f"table {context}.{name}", "\n".join(str(row) for (row,) in kept).encode()


async def _metrics(town: Town) -> AsyncIterator[tuple[str, bytes]]:
    environment = town.stack.table.environment
    async with httpx.AsyncClient() as http:
        for process in (*CONTEXTS, "worker", "gateway", "temporal"):
            answer = await http.get(f"{environment.url(f'{process}-metrics')}/metrics")
            answer.raise_for_status()
            yield f"metrics {process}", answer.content


def _files(table: Table) -> Iterator[Path]:
    """What Temporal and NATS have on the disk."""
    yield from table.home.temporal.glob("temporal.db*")
    yield from (path for path in table.home.nats.rglob("*") if path.is_file() and path.name != "nats.conf")
