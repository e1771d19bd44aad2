"""NATS as tests and the local stack run it: who may publish, hear and change what."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import nats.errors
import pytest
from nats.aio.client import Client as NatsClient
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError

from deploy.local.child import running
from deploy.local.nats import READER, USERS, Nats
from deploy.local.ports import free_port
from services import CONTEXTS
from services.chassis.stream import STREAM, ensure_stream


@asynccontextmanager
async def connected(server: Nats, user: str) -> AsyncIterator[tuple[NatsClient, asyncio.Queue[str]]]:
    """A client, and what the server complained to it."""
    complaints: asyncio.Queue[str] = asyncio.Queue()

    async def complain(error: Exception) -> None:
        complaints.put_nowait(str(error))

    client = await nats.connect(server.url(user), error_cb=complain, reconnect_time_wait=0.05)
    yield client, complaints
    await client.close()


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nats]:
    """A server of its own, since events of other tests' making would stop nobody here but ours would stop them."""
    folder = tmp_path_factory.mktemp("nats")
    passwords = {user: f"{user}-password" for user in USERS}
    server = Nats(folder, free_port(), passwords, log=folder / "log", durable=False)
    async with running(server.program()):
        await server.create_stream()
        yield server


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.rule("OP-10")
async def test_context_publishes_its_own_subjects_and_no_others(server: Nats, context: str) -> None:
    others = [other for other in CONTEXTS if other != context]
    async with connected(server, context) as (client, complaints):
        jetstream = client.jetstream()

        await jetstream.publish(f"ruum.{context}.told.v1", b"mine")
        before = (await jetstream.stream_info(STREAM)).state.messages
        for other in others:
            await client.publish(f"ruum.{other}.told.v1", b"forged")
        await client.flush()

        assert (await jetstream.stream_info(STREAM)).state.messages == before
        refused = [await complaints.get() for _ in others]
        assert all("permissions violation for publish" in complaint.lower() for complaint in refused)


async def test_context_consumes_what_another_published(server: Nats) -> None:
    async with (
        connected(server, "points") as (points, _),
        connected(server, "notifier") as (notifier, _),
    ):
        consumer = await notifier.jetstream().pull_subscribe("ruum.points.granted.v1", "reads", STREAM)
        await points.jetstream().publish("ruum.points.granted.v1", b"granted")

        [message] = await consumer.fetch(1)
        await message.ack_sync()

        assert message.data == b"granted"
        assert (await consumer.consumer_info()).num_ack_pending == 0


async def test_stranger_is_not_let_in(server: Nats) -> None:
    complaints: list[Exception] = []

    async def complain(error: Exception) -> None:
        complaints.append(error)

    with pytest.raises(nats.errors.Error):
        await nats.connect(
            f"nats://127.0.0.1:{server.port}",
            error_cb=complain,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
        )

    assert "authorization" in str(complaints[0]).lower()


@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE"])
async def test_context_cannot_rewrite_what_was_told(server: Nats, verb: str) -> None:
    async with connected(server, "store") as (client, complaints):
        await client.publish(f"$JS.API.STREAM.{verb}.{STREAM}", b"{}")

        assert "permissions violation for publish" in (await complaints.get()).lower()


async def test_context_hears_others_only_through_the_stream(server: Nats) -> None:
    async with connected(server, "store") as (client, complaints):
        await client.subscribe("ruum.points.>")

        assert "permissions violation for subscription" in (await complaints.get()).lower()


async def test_every_context_finds_the_stream_made(server: Nats) -> None:
    for context in CONTEXTS:
        async with connected(server, context) as (client, complaints):
            await ensure_stream(client)

            assert complaints.empty()


async def test_context_cannot_have_its_words_delivered_as_anothers(server: Nats) -> None:
    async with connected(server, "store") as (client, _):
        jetstream = client.jetstream()
        disguise = ConsumerConfig(
            durable_name="disguise", deliver_subject="ruum.points.told.v1", filter_subject="ruum.store.>"
        )

        with pytest.raises(APIError, match="forms a cycle"):
            await jetstream.add_consumer(STREAM, disguise)


async def test_reader_hears_what_every_context_tells(server: Nats) -> None:
    async with connected(server, "rooms") as (rooms, _), connected(server, READER) as (reader, complaints):
        heard = await reader.subscribe(inbox := reader.new_inbox())
        config = ConsumerConfig(deliver_subject=inbox, ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.NEW)
        await reader.jsm().add_consumer(STREAM, config)

        await rooms.jetstream().publish("ruum.rooms.told.v1", b"told")

        assert (await heard.next_msg(timeout=5)).data == b"told"
        assert complaints.empty()


@pytest.mark.rule("OP-10")
@pytest.mark.parametrize(
    "subject",
    [
        "ruum.gateway.told.v1",
        "ruum.points.told.v1",
        "$JS.API.STREAM.CREATE.ruum",
        "$JS.API.STREAM.PURGE.ruum",
        "$JS.API.CONSUMER.CREATE.ruum.points-store",
        "$JS.API.CONSUMER.DURABLE.CREATE.ruum.points-store",
        "$JS.API.CONSUMER.MSG.NEXT.ruum.points-store",
        "$JS.API.CONSUMER.DELETE.ruum.points-store",
    ],
)
async def test_reader_tells_and_changes_nothing(server: Nats, subject: str) -> None:
    async with connected(server, READER) as (client, complaints):
        await client.publish(subject, b"{}")

        assert "permissions violation for publish" in (await complaints.get()).lower()


@pytest.mark.parametrize("named", [{"name": "points-store"}, {"durable_name": "points-store"}])
async def test_reader_cannot_take_the_consumer_of_a_context(server: Nats, named: dict[str, str]) -> None:
    async with connected(server, "points") as (points, _), connected(server, READER) as (reader, _):
        await points.jetstream().pull_subscribe("ruum.store.>", "points-store", STREAM)
        config = {"ack_policy": "none", "deliver_subject": reader.new_inbox(), **named}
        asked = json.dumps({"stream_name": STREAM, "config": config}).encode()

        answer = json.loads((await reader.request(f"$JS.API.CONSUMER.CREATE.{STREAM}", asked)).data)

        assert "error" in answer
        assert (await points.jetstream().consumer_info(STREAM, "points-store")).config.deliver_subject is None
