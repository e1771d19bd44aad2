"""The notifier and the real identity service, each a process of its own: whoever signs up reads a code that works."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from deploy.local import nats
from deploy.local.child import Program, running
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import Postgres
from deploy.local.probes import grpc_serves
from ruum.identity.v1 import identity_pb2 as pb
from ruum.identity.v1.identity_pb2_grpc import IdentityServiceStub
from services.chassis.clock import SystemClock
from services.chassis.ids import new_id
from tests.identity.world import CONSENTS, PASSWORD, master_keys, request_id
from tests.notifier.world import World, instead
from tests.support.callers import Keys, service
from tests.support.contexts import migrated


@pytest.fixture
async def identity_address(
    postgres: Postgres, nats_server: nats.Nats, keys: Keys, world: World, tmp_path: Path
) -> AsyncIterator[str]:
    """Where identity serves, with the notifier listening to it."""
    address = f"{LOOPBACK}:{free_port()}"
    environment = {
        "RUUM_DEPLOYMENT": "test",
        "RUUM_LISTEN": address,
        "RUUM_KEYS_DIR": str(keys.public),
        "RUUM_SIGNING_KEY_FILE": str(keys.private["identity"]),
        "RUUM_DATABASE_URL": postgres.url("identity"),
        "RUUM_NATS_URL": nats_server.url("identity"),
        "RUUM_MASTER_KEYS_FILE": str(master_keys(tmp_path)),
        "RUUM_REQUEST_KEY": "r" * 40,
        "RUUM_CODE_KEY": "c" * 40,
        "RUUM_CODE_GAP": '{"times": 100, "seconds": 1}',
    }
    command = (sys.executable, "-m", "services.cli", "serve", "identity")
    program = Program("identity", command, tmp_path / "log", partial(grpc_serves, address), env=environment)
    async with migrated(postgres, "identity"), running(program), instead(world, RUUM_IDENTITY_ADDRESS=address):
        yield address


def six_digits(mail: dict[str, Any]) -> str:
    found = re.search(r"^ +(\d{6})\r?$", mail["text"], re.MULTILINE)
    assert found is not None, mail["text"]
    return found[1]


async def test_the_code_in_the_mail_opens_the_account(world: World, identity_address: str, keys: Keys) -> None:
    address = f"{new_id('adr')}@example.jp"
    async with grpc.aio.insecure_channel(identity_address) as channel:
        stub: Any = IdentityServiceStub(channel)

        async def ask(method: str, request: Any) -> Any:
            metadata = keys.metadata(service("gateway"), "identity", SystemClock())
            return await getattr(stub, method)(request, metadata=metadata)

        asked = pb.RequestSignUpCodeRequest(request_id=request_id(), address=address, language="en", client="c")
        sent = await ask("RequestSignUpCode", asked)
        [code] = await world.received(address)
        signing_up = pb.SignUpRequest(
            request_id=request_id(),
            flow_id=sent.flow_id,
            code=six_digits(code),
            password=PASSWORD,
            language="zh_Hans",
            consents=[pb.Consent(document=each.document, version=each.version) for each in CONSENTS],
            client="c",
        )
        await ask("SignUp", signing_up)

        signing_in = pb.SignInRequest(
            request_id=request_id(), address=address, password=PASSWORD, client="c", language="ja"
        )
        required = (await ask("SignIn", signing_in)).code_required
        [_, second] = await world.received(address, 2)
        confirming = pb.ConfirmSignInRequest(
            request_id=request_id(), flow_id=required.flow_id, code=six_digits(second), client="c"
        )
        await ask("ConfirmSignIn", confirming)

        # The account exists: the screen answers as before, and only its owner is told.
        await ask("RequestSignUpCode", pb.RequestSignUpCodeRequest.FromString(asked.SerializeToString()))
        again = pb.RequestSignUpCodeRequest(request_id=request_id(), address=address, language="en", client="c")
        await ask("RequestSignUpCode", again)
        mails = await world.received(address, 4)

    assert sorted(mail["subject"] for mail in mails) == sorted(
        [
            f"[ruum] Your ruum sign-up code (code {sent.sequence})",
            second["subject"],
            "[ruum] 您的 ruum 账户已在新设备上登录",
            "[ruum] You already have a ruum account",
        ]
    )
    assert f"{required.sequence}" in second["subject"]
    assert {mail["copies"] for mail in mails} == {1}
