"""NATS as tests and the local stack run it: who may publish what, and what survives a SIGKILL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import nats.errors
import pytest
from nats.aio.client import Client as NatsClient

from deploy.local.contexts import CONTEXTS
from deploy.local.nats import Nats


@asynccontextmanager
async def connected(server: Nats, user: str) -> AsyncIterator[tuple[NatsClient, list[str]]]:
    """A client, and what the server complained to it."""
    complaints: list[str] = []

    async def complain(error: Exception) -> None:
        complaints.append(str(error))

    client = await nats.connect(server.url(user), error_cb=complain, reconnect_time_wait=0.05)
    yield client, complaints
    await client.close()


@pytest.fixture(scope="session")
async def events(nats_server: Nats) -> AsyncIterator[str]:
    """A stream over all subjects of ruum."""
    async with connected(nats_server, "admin") as (admin, _):
        await admin.jetstream().add_stream(name="TESTS-OF-SERVERS", subjects=["ruum.*.servers.>"])
        yield "TESTS-OF-SERVERS"
        await admin.jetstream().delete_stream("TESTS-OF-SERVERS")


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.rule("OP-10")
async def test_context_publishes_its_own_subjects_and_no_others(nats_server: Nats, events: str, context: str) -> None:
    others = [other for other in CONTEXTS if other != context]
    async with connected(nats_server, context) as (client, complaints):
        jetstream = client.jetstream()

        await jetstream.publish(f"ruum.{context}.servers.v1", b"mine")
        before = (await jetstream.stream_info(events)).state.messages
        for other in others:
            await client.publish(f"ruum.{other}.servers.v1", b"forged")
        await client.flush()

        assert (await jetstream.stream_info(events)).state.messages == before
        assert len(complaints) == len(others)


async def test_context_consumes_what_another_published(nats_server: Nats, events: str) -> None:
    async with (
        connected(nats_server, "points") as (points, _),
        connected(nats_server, "notifier") as (notifier, _),
    ):
        consumer = await notifier.jetstream().pull_subscribe("ruum.points.servers.read.v1", "reads", events)
        await points.jetstream().publish("ruum.points.servers.read.v1", b"granted")

        [message] = await consumer.fetch(1)
        await message.ack_sync()

        assert message.data == b"granted"
        assert (await consumer.consumer_info()).num_ack_pending == 0


async def test_stranger_is_not_let_in(nats_server: Nats) -> None:
    complaints: list[Exception] = []

    async def complain(error: Exception) -> None:
        complaints.append(error)

    with pytest.raises(nats.errors.Error):
        await nats.connect(
            f"nats://127.0.0.1:{nats_server.port}",
            error_cb=complain,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
        )

    assert "authorization" in str(complaints[0]).lower()
