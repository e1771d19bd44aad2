"""The service as it is deployed: a process of its own, told by its environment, on PostgreSQL and NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy

from deploy.local import nats
from deploy.local.child import Program, running
from deploy.local.postgres import Postgres
from ruum.identity.v1 import events_pb2
from ruum.identity.v1 import identity_pb2 as pb
from ruum.identity.v1.identity_pb2_grpc import IdentityServiceStub
from services.chassis import stream
from services.chassis.clock import MovableClock
from services.chassis.db import Database
from tests.identity.world import CONSENTS, PASSWORD, master_keys, request_id
from tests.support.callers import Keys, service
from tests.support.own_process import ends_when_told, program, refuses_to_start_without, told


@pytest.fixture
def identity(postgres: Postgres, nats_server: nats.Nats, database: Database, keys: Keys, tmp_path: Path) -> Program:
    own = {
        "DEPLOYMENT": "local",
        "CLOCK_FILE": str(tmp_path / "clock"),
        "CODE_KEY": "c" * 40,
        "MASTER_KEYS_FILE": str(master_keys(tmp_path)),
    }
    return program("identity", told("identity", postgres, nats_server, keys, **own), tmp_path / "log")


@pytest.fixture
def clock(identity: Program) -> MovableClock:
    return MovableClock(Path(identity.env["RUUM_CLOCK_FILE"]))


class Person:
    """Somebody at a screen, with the gateway and the notifier between them and identity."""

    def __init__(self, channel: grpc.aio.Channel, keys: Keys, clock: MovableClock, events: AsyncIterator[Msg]) -> None:
        self._stub: Any = IdentityServiceStub(channel)
        self._keys = keys
        self._clock = clock
        self._events = events

    async def ask(self, method: str, request: Any, by: str = "gateway") -> Any:
        return await getattr(self._stub, method)(
            request, metadata=self._keys.metadata(service(by), "identity", self._clock)
        )

    async def code(self) -> str:
        """What the notifier, told by the stream, finds in the envelope."""
        event = events_pb2.CodeRequested.FromString(await self.told("code_requested"))
        opened = await self.ask("OpenEnvelope", pb.OpenEnvelopeRequest(envelope_id=event.envelope_id), "notifier")
        closing = pb.CloseEnvelopeRequest(request_id=request_id(), envelope_id=event.envelope_id)
        await self.ask("CloseEnvelope", closing, "notifier")
        return str(opened.code)

    async def told(self, event: str) -> bytes:
        """The next fact of this kind."""
        async with asyncio.timeout(20):
            while True:
                message = await anext(self._events)
                if message.subject == f"ruum.identity.{event}.v1":
                    return bytes(message.data)


async def facts(client: Client) -> AsyncIterator[Msg]:
    """What the stream tells of identity from now on: others' tests have told of theirs."""
    # A consumer that nobody asks is forgotten after five seconds, which the process may take to start.
    only_new = ConsumerConfig(deliver_policy=DeliverPolicy.NEW, inactive_threshold=120)
    pulled = await client.jetstream().pull_subscribe("ruum.identity.>", stream=stream.STREAM, config=only_new)

    async def told() -> AsyncIterator[Msg]:
        while True:
            for message in await pulled.fetch(1, timeout=20):
                await message.ack()
                yield message

    return told()


@pytest.fixture
async def person(identity: Program, nats_server: nats.Nats, keys: Keys, clock: MovableClock) -> AsyncIterator[Person]:
    await nats_server.create_stream()
    client = await stream.connect(nats_server.url(nats.ADMIN), "test")
    happened = await facts(client)
    async with running(identity), grpc.aio.insecure_channel(identity.env["RUUM_LISTEN"]) as channel:
        yield Person(channel, keys, clock, happened)
    await client.close()


def consents() -> Sequence[pb.Consent]:
    return [pb.Consent(document=each.document, version=each.version) for each in CONSENTS]


async def test_signing_up_and_signing_in_on_two_devices(
    person: Person, identity: Program, keys: Keys, clock: MovableClock
) -> None:
    asked = pb.RequestSignUpCodeRequest(request_id=request_id(), address="hana@example.jp", language="ja", client="c")
    sent = await person.ask("RequestSignUpCode", asked)
    signing_up = pb.SignUpRequest(
        request_id=request_id(),
        flow_id=sent.flow_id,
        code=await person.code(),
        password=PASSWORD,
        language="ja",
        consents=consents(),
        client="c",
    )
    first = await person.ask("SignUp", signing_up)
    assert events_pb2.MemberSignedUp.FromString(await person.told("member_signed_up")).header.member_id
    clock.move(timedelta(minutes=1))

    signing_in = pb.SignInRequest(
        request_id=request_id(), address="HANA@example.jp", password=PASSWORD, client="c", language="ja"
    )
    required = (await person.ask("SignIn", signing_in)).code_required
    confirming = pb.ConfirmSignInRequest(
        request_id=request_id(), flow_id=required.flow_id, code=await person.code(), client="c"
    )
    second = await person.ask("ConfirmSignIn", confirming)

    told = events_pb2.SignedInOnNewDevice.FromString(await person.told("signed_in_on_new_device"))
    assert first.member_id == second.member_id == told.header.member_id
    asked_token = pb.IssueTokenRequest(session_token=second.session_token, audience="points")
    token = await person.ask("IssueToken", asked_token)
    assert keys.ring(clock).caller(token.token, "points").name == first.member_id
    log = identity.log.read_text()
    for secret in ("hana", PASSWORD, first.session_token, first.device_token, token.token, sent.flow_id):
        assert secret not in log


async def test_it_ends_when_it_is_told_to(identity: Program) -> None:
    async with running(identity) as process:
        await ends_when_told(process)


@pytest.mark.rule("QA-16")
@pytest.mark.parametrize("secret", ["RUUM_REQUEST_KEY", "RUUM_CODE_KEY", "RUUM_MASTER_KEYS_FILE"])
async def test_a_missing_secret_stops_the_start_with_its_name(identity: Program, secret: str) -> None:
    await refuses_to_start_without(secret, identity)
