"""Identity on a real database, with a clock that stands still and what a person at a screen would do."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from ruum.identity.v1 import events_pb2
from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.db import Database
from services.chassis.events import Outbox
from services.chassis.idempotency import Commands
from services.chassis.ids import new_id
from services.chassis.sealing import MasterKeys, Sealer
from services.identity.codes.domain import CodeSent
from services.identity.consents.domain import Agreement
from services.identity.envelopes.models import Letter
from services.identity.main import wired
from services.identity.models import outbox, requests
from services.identity.passwords.domain import Passwords
from services.identity.sessions.domain import SignedIn
from services.identity.settings import Rules
from services.identity.sign_in.domain import ConfirmSignIn, RequestSignUpCode, ResendCode, SignIn, SignUp
from tests.support.callers import Keys, service

GATEWAY = service("gateway")
NOTIFIER = service("notifier")
PASSWORD = "柿くへば鐘が鳴るなり"
CONSENTS = tuple(Agreement(document=document, version="2026-04") for document in ("terms", "points-terms", "privacy"))
KEY = b"a key of tests, thirty-two bytes"

T = TypeVar("T")

_CHEAP = {"argon2_memory_kib": 8, "argon2_passes": 1}


def master_keys(folder: Path) -> Path:
    path = folder / "master-keys.json"
    path.write_text(json.dumps({"current": "a", "keys": {"a": base64.b64encode(os.urandom(32)).decode()}}))
    return path


def request_id() -> str:
    return new_id("req")


class World:
    """The verbs of identity, and people who use them.

    Args:
        rules: what is chosen otherwise than by default.
    """

    def __init__(self, database: Database, clock: FixedClock, keys: Keys, folder: Path, **rules: Any) -> None:
        self.database = database
        self.clock = clock
        self.keys = keys
        self.rules = Rules(**{**_CHEAP, **rules})
        self.passwords = Passwords(self.rules)
        commands = Commands(database, Outbox("identity", events_pb2, outbox), requests, KEY, clock)
        sealer = Sealer(MasterKeys(master_keys(folder)))
        signer = keys.signer("identity", clock)
        self.domain = wired(commands, self.rules, signer, sealer, self.passwords, KEY)

    async def ask_for_code(self, address: str, client: str = "home", **more: Any) -> CodeSent:
        asked = RequestSignUpCode(
            **{"request_id": request_id(), "language": "ja"} | more, address=address, client=client
        )
        return await self.domain.signing_in.request_sign_up_code(GATEWAY, asked)

    async def ask_again(self, sent: CodeSent, client: str = "home") -> CodeSent:
        asked = ResendCode(request_id=request_id(), flow_id=sent.flow_id, client=client)
        return await self.domain.signing_in.resend_code(GATEWAY, asked)

    async def sign_up(self, sent: CodeSent, code: str, **more: Any) -> SignedIn:
        asked = {
            "request_id": request_id(),
            "flow_id": sent.flow_id,
            "code": code,
            "password": PASSWORD,
            "language": "ja",
            "consents": CONSENTS,
            "client": "home",
        }
        return await self.domain.signing_in.sign_up(GATEWAY, SignUp.model_validate(asked | more))

    async def sign_in(
        self, address: str, password: str = PASSWORD, device: str = "", **more: Any
    ) -> SignedIn | CodeSent:
        asked = {
            "request_id": request_id(),
            "address": address,
            "password": password,
            "device_token": device,
            "language": "ja",
            "client": "home",
        }
        return await self.domain.signing_in.sign_in(GATEWAY, SignIn.model_validate(asked | more))

    async def confirm(self, sent: CodeSent, code: str, **more: Any) -> SignedIn:
        asked = {"request_id": request_id(), "flow_id": sent.flow_id, "code": code, "client": "home"}
        return await self.domain.signing_in.confirm_sign_in(GATEWAY, ConfirmSignIn.model_validate(asked | more))

    async def member(self, address: str, password: str = PASSWORD) -> SignedIn:
        """Somebody who has signed up."""
        sent = await self.ask_for_code(address)
        return await self.sign_up(sent, (await self.letter()).code, password=password)

    async def caller(self, signed_in: SignedIn) -> Caller:
        """Who a service sees when this session calls."""
        token = await self.domain.sessions.issue_token(signed_in.session_token, "identity")
        return Caller("member", token.member_id, token.session_id)

    async def envelopes(self) -> Sequence[str]:
        """The envelopes that the notifier was told of, the oldest first."""
        return [event.envelope_id for event in await self.told("code_requested")]

    async def letter(self) -> Letter:
        """What the notifier reads in the envelope that it was told of last."""
        return await self.domain.envelopes.open((await self.envelopes())[-1])

    async def told(self, event: str) -> Sequence[Any]:
        """The facts of one kind that were told, the oldest first."""
        kind = getattr(events_pb2, "".join(word.capitalize() for word in event.split("_")))
        ours = sa.select(outbox.c.payload).where(outbox.c.subject == f"ruum.identity.{event}.v1")
        async with self.database.reading() as session:
            payloads = (await session.execute(ours.order_by(outbox.c.position))).scalars()
            return [kind.FromString(payload) for payload in payloads]

    async def rows(self, table: type[Any]) -> Sequence[sa.RowMapping]:
        async with self.database.reading() as session:
            return (await session.execute(sa.select(table.table()))).mappings().all()


Founded = Callable[..., World]


def other_than(code: str) -> str:
    """Six digits that are not these."""
    return f"{(int(code) + 1) % 10**6:06d}"
