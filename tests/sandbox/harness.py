"""The stand-ins as a real process, and a place where their webhooks arrive."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import stripe

from deploy.local.child import Child, Program
from deploy.local.ports import free_ports
from deploy.local.probes import http_serves
from services.chassis.clock import MovableClock
from tests.support.waiting import until

BEARERS = {partner: f"{partner}-bearer" for partner in ("card", "deferred", "epos", "maker", "sms")}
SIGNING_KEYS = {partner: f"{partner}-signs" for partner in ("card", "deferred", "epos", "maker", "post", "carrier")}
YAMADA = {"recipient": {"name": "山田 太郎"}, "address": {"postal_code": "060-0001", "city": "札幌市"}}


@dataclass
class Received:
    partner: str
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def data(self) -> Any:
        return self.body["data"]


@dataclass
class Receiver:
    """Takes webhooks and answers them with the statuses it was told, then with 200."""

    port: int
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if value}
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append(Received(head[0].split()[1].removeprefix("/webhooks/"), headers, content))
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def all(self, kind: str, number: int = 1, /, **data: str) -> list[Received]:
        """The first `number` webhooks of a type whose data say this, as soon as they are there."""

        def matching() -> list[Received]:
            return [it for it in self.received if it.type == kind and data.items() <= it.data.items()]

        await until(lambda: len(matching()) >= number)
        return matching()

    async def one(self, kind: str, /, **data: str) -> Received:
        return (await self.all(kind, 1, **data))[0]


class Sandbox:
    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.port, self.smtp_port = free_ports(2)
        self.receiver = receiver
        self.url = f"http://127.0.0.1:{self.port}"
        self.clock = MovableClock(folder / "clock")
        self.http = httpx.AsyncClient(base_url=self.url, timeout=20)
        self._stripe_http = stripe.HTTPXClient()
        self.stripe = stripe.StripeClient(
            BEARERS["card"],
            base_addresses={"api": f"{self.url}/card"},
            http_client=self._stripe_http,
            max_network_retries=0,
        )
        self._keys = (f"key-{number}" for number in count())
        address = f"127.0.0.1:{self.port}"
        self._child = Child(
            Program(
                "sandbox",
                (sys.executable, "-m", "deploy.sandbox"),
                folder / "log",
                partial(http_serves, address, "/healthz"),
                env={
                    "SANDBOX_LISTEN": address,
                    "SANDBOX_SMTP_LISTEN": f"127.0.0.1:{self.smtp_port}",
                    "SANDBOX_DATA": str(folder / "data.db"),
                    "SANDBOX_WEBHOOK_BASE": f"http://127.0.0.1:{receiver.port}/webhooks",
                    "RUUM_CLOCK_FILE": str(folder / "clock"),
                    **{f"RUUM_{partner.upper()}_SECRET": secret for partner, secret in BEARERS.items()},
                    **{f"RUUM_{partner.upper()}_WEBHOOK_SECRET": secret for partner, secret in SIGNING_KEYS.items()},
                },
            )
        )

    async def start(self) -> None:
        await self._child.start()
        await self._child.until_ready(60)

    async def kill(self) -> None:
        self._child.kill()
        await self._child.wait()

    async def close(self) -> None:
        await self.http.aclose()
        await self._stripe_http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
        await self.kill()

    async def call(self, method: str, path: str, content: Any = None, key: str | None = None) -> httpx.Response:
        """A partner's API as its customer calls it, with a fresh key unless one is given."""
        headers = {
            "authorization": f"Bearer {BEARERS.get(path.split('/')[1], '')}",
            "idempotency-key": key or next(self._keys),
        }
        return await self.http.request(method, path, headers=headers, json=content)

    async def done(self, method: str, path: str, content: Any = None) -> Any:
        return (await self.call(method, path, content)).raise_for_status().json()

    async def press(self, path: str, method: str = "POST", **content: Any) -> Any:
        """A button of the console."""
        answer = await self.http.request(method, f"/console/api/{path}", json=content)
        return answer.raise_for_status().json()

    async def seen(self, path: str, **query: str) -> Any:
        """A list of the console."""
        answer = await self.http.get(f"/console/api/{path}", params=query)
        (things,) = answer.raise_for_status().json().values()
        return things

    async def fault(self, partner: str, **faults: Any) -> None:
        await self.press(f"faults/{partner}", "PUT", **faults)

    async def automatic(self, name: str, on: bool, delay_ms: int = 0) -> None:
        await self.press(f"automation/{name}", "PUT", on=on, delay_ms=delay_ms)

    async def pass_time(self, by: timedelta) -> None:
        self.clock.move(by)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver(0)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


def mail(to: str = "hanako@example.com", message_id: str = "<m1@ruum>", subject: str = "件名") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ruum@example.com", to, subject
    message["Message-ID"] = message_id
    message.set_content("本文です。https://ruum.example/orders/1")
    message.add_alternative("<p>本文です。</p>", subtype="html")
    return message
