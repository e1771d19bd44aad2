"""Names, addresses and codes pass through the notifier and stay nowhere (OP-03)."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from deploy.local import nats
from deploy.local.postgres import Postgres
from ruum.identity.v1 import events_pb2 as identity
from ruum.points.v1 import events_pb2 as points
from services.chassis import stream
from services.chassis.ids import new_id
from services.notifier.ports import Contact, Envelope
from tests.notifier.world import World
from tests.support.waiting import until


async def everything_kept(postgres: Postgres) -> str:
    """All rows of all tables of the notifier, as text."""
    async with await psycopg.AsyncConnection.connect(postgres.dsn("notifier_owner")) as owner:
        named = await owner.execute("select tablename from pg_tables where schemaname = 'notifier'")
        kept = []
        for (name,) in await named.fetchall():
            table = sql.Identifier("notifier", str(name))
            rows = await owner.execute(sql.SQL("select t::text from {} t").format(table))
            kept += [str(row) for (row,) in await rows.fetchall()]
    return "\n".join(kept)


async def everything_told(nats_server: nats.Nats) -> bytes:
    client = await stream.connect(nats_server.url(nats.ADMIN), "looks")
    told = client.jetstream()
    state = (await told.stream_info(stream.STREAM)).state
    found = [(await told.get_msg(stream.STREAM, seq)).data or b"" for seq in range(state.first_seq, state.last_seq + 1)]
    await client.close()
    return b"\n".join(found)


def planted(world: World, mark: str) -> tuple[str, str]:
    """A member and an envelope in whose every field the mark stands."""
    member = world.member("ja", f"名前{mark}")
    world.identity.members[member].email = f"{mark}@example.jp"
    envelope = world.envelope("sign-up", f"{mark}@code.example.jp", digits=f"code-{mark}")
    return member, envelope


@pytest.mark.rule("OP-03")
@pytest.mark.parametrize("fault", ["accept", "bounce", "temporary", "drop"])
async def test_what_was_sent_bounced_or_failed_leaves_no_personal_data(
    world: World, postgres: Postgres, nats_server: nats.Nats, fault: str
) -> None:
    mark = secrets.token_hex(8)
    member, envelope = planted(world, mark)
    times = {} if fault == "bounce" else {"times": 3}
    await world.sandbox.press("faults/smtp", "PUT", mode=fault, **times)
    told: list[Any] = [
        points.PointsGranted(header=world.header(member), points=7),
        identity.CodeRequested(header=world.header(aggregate_id=envelope), envelope_id=envelope),
    ]

    await world.tell(*told)

    for event in told:
        await world.settled(event, "bounced" if fault == "bounce" else "sent")
    log = world.process.program.log.read_text("utf-8")
    kept = await everything_kept(postgres)
    assert member in kept
    assert "delivery tried" in log
    for form in (mark, base64.b64encode(mark.encode()).decode().rstrip("=")):
        assert form not in kept
        assert form not in log
        assert form.encode() not in await everything_told(nats_server)


@pytest.mark.rule("OP-03")
async def test_a_mistake_of_ours_is_logged_without_what_it_was_made_of(world: World, postgres: Postgres) -> None:
    mark = secrets.token_hex(8)
    envelope = world.envelope("sign-up", f"{mark}@example.jp", digits=f"code-{mark}")
    world.identity.envelopes[envelope].purpose = "unheard-of"
    broken = world.member("ja", f"名前{mark}")
    world.identity.members[broken].email = f"{mark}\n@example.jp"  # no header can hold it
    told: list[Any] = [
        identity.CodeRequested(header=world.header(aggregate_id=envelope), envelope_id=envelope),
        points.PointsGranted(header=world.header(broken), points=7),
    ]

    await world.tell(*told)

    async def failed() -> bool:
        rows = [row for event in told for row in await world.deliveries(event)]
        return [row["failure"] for row in rows] == ["defect", "defect"]

    await until(failed)
    log = world.process.program.log.read_text("utf-8")
    assert "delivery failed" in log
    assert mark not in log
    assert mark not in await everything_kept(postgres)
    world.identity.envelopes[envelope].purpose = "sign-up"
    world.identity.members[broken].email = f"{new_id('adr')}@example.jp"
    for event in told:
        await world.settled(event, "sent")


async def test_the_log_knows_an_address_by_a_digest_that_only_the_key_makes(world: World) -> None:
    same = [world.member(), world.member(), world.member()]
    world.identity.members[same[1]].email = world.address(same[0])
    events = [points.PointsGranted(header=world.header(member), points=7) for member in same]

    await world.tell(*events)

    one, again, other = [(await world.settled(event, "sent"))[0]["address_digest"] for event in events]
    assert one == again != other
    assert len(one) == 64


def test_contacts_and_envelopes_show_nothing_personal() -> None:
    contact = Contact("ja", "hana@example.jp", "+819012345678", "山田")
    envelope = Envelope("mail", "hana@example.jp", "ja", "sign-up", "042137", 1, datetime.now(UTC))
    for secret in ("hana", "8190", "山田", "042137"):
        assert secret not in repr((contact, envelope))
