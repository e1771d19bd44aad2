"""The gateway over real HTTP, with its neighbours as a test wants them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from deploy.local.ports import LOOPBACK, free_port
from services.gateway.main import wired
from services.gateway.server import HttpServer
from services.gateway.settings import GatewaySettings
from tests.gateway.fakes import CONTRACTS
from tests.support.callers import Keys
from tests.support.waiting import until

REQUEST_KEY = "a key of tests, which is long enough"


class House:
    """A running gateway.

    Attributes:
        url: where it is.
        http: a client without a session.
    """

    def __init__(self, server: HttpServer, url: str, http: httpx.AsyncClient) -> None:
        self.server = server
        self.url = url
        self.http = http

    @staticmethod
    def csrf_token(session: str) -> str:
        """What a page of ours sends beside the cookie of this session."""
        return hmac.digest(REQUEST_KEY.encode(), b"csrf\0" + session.encode(), hashlib.sha256).hex()

    async def get(self, path: str, session: str = "", **more: Any) -> httpx.Response:
        return await self.ask("GET", path, session, **more)

    async def post(self, path: str, session: str = "", *, key: str = "", **more: Any) -> httpx.Response:
        """With an Idempotency-Key, of its own where none is given."""
        headers = {"Idempotency-Key": key or str(uuid4())} | more.pop("headers", {})
        return await self.ask(more.pop("verb", "POST"), path, session, headers=headers, **more)

    async def ask(self, verb: str, path: str, session: str = "", **more: Any) -> httpx.Response:
        headers = ({"Authorization": f"Bearer {session}"} if session else {}) | more.pop("headers", {})
        return await self.http.request(verb, path, headers=headers, **more)


@asynccontextmanager
async def open_house(
    addresses: Mapping[str, str], keys: Keys, nats_url: str, clock_file: Path, **more: Any
) -> AsyncIterator[House]:
    """Runs the gateway as its main wires it, on a free port."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    settings = GatewaySettings.model_validate(
        {
            "deployment": "local",
            "clock_file": clock_file,
            "listen": f"{LOOPBACK}:{port}",
            "keys_dir": keys.public,
            "signing_key_file": keys.private["gateway"],
            "request_key": REQUEST_KEY,
            "nats_url": nats_url,
            "public_url": url,
            "help_mail": "help@ruum.example",
            "requests_per_minute": 1_000_000,
            "requests_per_minute_of_address": 1_000_000,
            **{f"{name}_address": addresses[name] for name in CONTRACTS},
            **more,
        }
    )
    async with wired(settings) as server:
        serving = asyncio.create_task(server._serve())
        try:
            async with httpx.AsyncClient(base_url=url, timeout=40) as http:
                await until(lambda: _answers(http))
                yield House(server, url, http)
        finally:
            server.stop()
            await serving


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/healthz")).is_success
    except httpx.ConnectError:
        return False
