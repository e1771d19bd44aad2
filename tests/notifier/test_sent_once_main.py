"""Whatever is repeated, cut, killed or away: each event is told once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deploy.local.child import running
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import Postgres
from ruum.points.v1 import events_pb2 as points
from services.chassis.ids import new_id
from services.notifier.deliveries.models import Notice
from tests.notifier.world import World, instead
from tests.support.own_process import program
from tests.support.wire import wire_to

END_OF_A_MAIL = b"\r\n.\r\n"


def granted(world: World, member: str) -> Any:
    return points.PointsGranted(header=world.header(member), order_id=new_id("ord"), points=7)


@asynccontextmanager
async def silent_after(port: int, word: bytes) -> AsyncIterator[int]:
    """A port that leads to another one, over which no answer comes back any more once a client has said this."""

    async def connected(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(LOOPBACK, port)

        async def answer() -> None:
            while said := await server.read(65536):
                to_client.write(said)

        answering = asyncio.create_task(answer())
        while said := await client.read(65536):
            if word in said:
                answering.cancel()
            to_server.write(said)
        answering.cancel()
        to_server.close()
        to_client.close()

    listening = await asyncio.start_server(connected, LOOPBACK, 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


@pytest.mark.rule("OP-11")
async def test_an_event_that_is_told_twenty_times_is_one_mail(world: World) -> None:
    member = world.member()
    event, later = granted(world, member), granted(world, member)

    await world.tell(event, times=20)
    await world.tell(later)

    for told in (event, later):
        await world.settled(told, "sent")
    mails = await world.inbox(world.address(member))
    assert [mail["copies"] for mail in mails] == [1, 1]


async def test_of_two_processes_only_one_sends_a_delivery(world: World) -> None:
    member = world.member()
    events = [granted(world, member) for _ in range(60)]
    another = {**world.process.program.env, "RUUM_LISTEN": f"{LOOPBACK}:{free_port()}"}

    async with running(program("notifier", another, world.process.program.log)):
        await world.tell(*events)
        for event in events:
            await world.settled(event, "sent")

    mails = await world.inbox(world.address(member))
    assert len(mails) == len({mail["message_id"] for mail in mails}) == len(events)
    assert {mail["copies"] for mail in mails} == {1}


@pytest.mark.rule("OP-11")
async def test_a_mail_whose_fate_is_unknown_is_sent_again_under_its_message_id(world: World) -> None:
    member = world.member()
    event = granted(world, member)
    await world.sandbox.press("faults/smtp", "PUT", mode="drop", to=world.address(member), times=2)

    await world.tell(event)

    [delivery] = await world.settled(event, "sent")
    [mail] = await world.inbox(world.address(member))
    assert (mail["copies"], delivery["tries"]) == (3, 3)


@pytest.mark.rule("OP-11")
async def test_a_sender_killed_between_sending_and_marking_repeats_the_same_mail(world: World) -> None:
    member = world.member()
    event = granted(world, member)
    patient = {"RUUM_SENDING_PATIENCE": "PT20S", "RUUM_SENDING_LEASE": "PT4S"}
    async with silent_after(world.sandbox.smtp_port, END_OF_A_MAIL) as port:
        async with instead(world, RUUM_SMTP_PORT=str(port), **patient) as child:
            await world.tell(event)
            [first] = await world.received(world.address(member))
            child.kill()
            await child.wait()

        [delivery] = await world.settled(event, "sent")

    [mail] = await world.inbox(world.address(member))
    assert first["copies"] == 1
    assert (mail["copies"], mail["message_id"]) == (2, first["message_id"])
    assert delivery["tries"] == 2


async def test_a_mail_that_could_not_be_marked_is_the_same_mail_again(world: World, postgres: Postgres) -> None:
    member = world.member()
    event = granted(world, member)
    async with wire_to(postgres.port) as wire:
        over = world.process.program.env["RUUM_DATABASE_URL"].replace(f":{postgres.port}/", f":{wire.port}/")
        async with instead(world, RUUM_DATABASE_URL=over):
            wire.cut_before(b"UPDATE notifier.deliveries SET state=")
            await world.tell(event)
            [delivery] = await world.settled(event, "sent")

    [mail] = await world.inbox(world.address(member))
    assert wire.cuts == 1
    assert (mail["copies"], delivery["tries"]) == (2, 2)


async def test_what_is_told_while_the_mail_server_is_away_comes_when_it_is_back(world: World) -> None:
    member = world.member()
    events = [granted(world, member) for _ in range(20)]
    await world.sandbox.kill()

    await world.tell(*events)
    for event in events:
        await world.failing(event, "smtp-silent")
    await world.sandbox.start()

    for event in events:
        await world.settled(event, "sent")
    mails = await world.inbox(world.address(member))
    assert [mail["copies"] for mail in mails] == [1] * len(events)
    assert len({mail["message_id"] for mail in mails}) == len(events)


async def test_what_is_told_while_identity_is_away_comes_when_it_is_back(world: World) -> None:
    member = world.member()
    event = granted(world, member)
    world.identity.away = True

    await world.tell(event)
    asked = world.identity.asked["GetContact"]
    waiting = await world.failing(event, "service-unavailable")
    world.identity.away = False

    await world.settled(event, "sent")
    assert waiting["state"] == "planned"
    assert world.identity.asked["GetContact"] > asked
    assert len(await world.inbox(world.address(member))) == 1


async def test_told_to_end_it_finishes_what_is_under_way(world: World) -> None:
    member = world.member()
    events = [granted(world, member) for _ in range(30)]

    async with instead(world) as child:
        await world.tell(*events)
        await world.received(world.address(member))
        await child.stop(grace=30)
        assert await child.wait() == 0
        left = [row for event in events for row in await world.deliveries(event) if row["state"] == "planned"]

    # A try that failed is finished too: a further one was planned for it.
    assert [row["id"] for row in left if row["tries"] and not row["failure"]] == []


async def test_what_it_claims_while_it_is_told_to_end_goes_out(world: World, postgres: Postgres) -> None:
    event = granted(world, world.member())
    world.process.kill()
    await world.planned(event, Notice(recipient=event.header.member_id, letter="points-granted", facts={"points": 7}))

    async with wire_to(postgres.port) as wire:
        over = world.process.program.env["RUUM_DATABASE_URL"].replace(f":{postgres.port}/", f":{wire.port}/")
        wire.keep_answers_to(b"WITH due AS")
        async with instead(world, RUUM_DATABASE_URL=over) as child:
            await wire.kept.wait()
            os.kill(child.pid, signal.SIGTERM)
            await asyncio.sleep(0.5)  # until it has heard, which nothing shows outside
            wire.let_through()
            assert await child.wait() == 0
            [delivery] = await world.deliveries(event)

    assert (delivery["state"], delivery["tries"]) == ("sent", 1)
