"""The service as it is deployed: a process of its own, told by its environment, on PostgreSQL and NATS."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy

from deploy.local import nats
from deploy.local.child import Child, Program, running
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import Postgres
from deploy.local.probes import grpc_serves
from ruum.identity.v1 import events_pb2
from ruum.identity.v1 import identity_pb2 as pb
from ruum.identity.v1.identity_pb2_grpc import IdentityServiceStub
from services.chassis import stream
from services.chassis.clock import MovableClock
from services.chassis.db import Database
from tests.identity.world import CONSENTS, PASSWORD, master_keys, request_id
from tests.support.callers import Keys, service

SECRETS = {"RUUM_REQUEST_KEY": "r" * 40, "RUUM_CODE_KEY": "c" * 40}


def identity(environment: dict[str, str], log: Path) -> Program:
    """The process as it is deployed."""
    command = (sys.executable, "-m", "services.cli", "serve", "identity")
    return Program("identity", command, log, partial(grpc_serves, environment["RUUM_LISTEN"]), env=environment)


@pytest.fixture
def environment(
    postgres: Postgres, nats_server: nats.Nats, database: Database, keys: Keys, tmp_path: Path
) -> dict[str, str]:
    return {
        "RUUM_DEPLOYMENT": "local",
        "RUUM_CLOCK_FILE": str(tmp_path / "clock"),
        "RUUM_LISTEN": f"{LOOPBACK}:{free_port()}",
        "RUUM_KEYS_DIR": str(keys.public),
        "RUUM_SIGNING_KEY_FILE": str(keys.private["identity"]),
        "RUUM_DATABASE_URL": postgres.url("identity"),
        "RUUM_NATS_URL": nats_server.url("identity"),
        "RUUM_MASTER_KEYS_FILE": str(master_keys(tmp_path)),
        **SECRETS,
    }


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
async def person(
    environment: dict[str, str], nats_server: nats.Nats, keys: Keys, tmp_path: Path
) -> AsyncIterator[Person]:
    await nats_server.create_stream()
    client = await stream.connect(nats_server.url(nats.ADMIN), "test")
    told = await facts(client)
    channel = grpc.aio.insecure_channel(environment["RUUM_LISTEN"])
    async with running(identity(environment, tmp_path / "log")), channel:
        yield Person(channel, keys, MovableClock(Path(environment["RUUM_CLOCK_FILE"])), told)
    await client.close()


def consents() -> Sequence[pb.Consent]:
    return [pb.Consent(document=each.document, version=each.version) for each in CONSENTS]


async def test_signing_up_and_signing_in_on_two_devices(
    person: Person, environment: dict[str, str], keys: Keys, tmp_path: Path
) -> None:
    clock = MovableClock(Path(environment["RUUM_CLOCK_FILE"]))
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
    log = (tmp_path / "log").read_text()
    for secret in ("hana", PASSWORD, first.session_token, first.device_token, token.token, sent.flow_id):
        assert secret not in log


async def test_it_ends_when_it_is_told_to(environment: dict[str, str], tmp_path: Path) -> None:
    async with running(identity(environment, tmp_path / "log")) as process:
        os.kill(process.pid, signal.SIGTERM)

        assert await asyncio.wait_for(process.wait(), 20) == 0


@pytest.mark.rule("QA-16")
@pytest.mark.parametrize("secret", [*SECRETS, "RUUM_MASTER_KEYS_FILE"])
async def test_a_missing_secret_stops_the_start_with_its_name(
    environment: dict[str, str], tmp_path: Path, secret: str
) -> None:
    del environment[secret]
    process = Child(identity(environment, tmp_path / "log"))

    await process.start()

    assert await process.wait() != 0

    assert f"{secret} is not set" in (tmp_path / "log").read_text()
