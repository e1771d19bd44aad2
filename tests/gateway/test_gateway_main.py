"""The gateway as it is deployed: a process of its own, told by its environment."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.local.child import Child, running
from deploy.local.ports import LOOPBACK, free_ports
from ruum.rooms.v1 import rooms_pb2
from tests.gateway.fakes import Fake
from tests.gateway.house import REQUEST_KEY, House
from tests.support.callers import Keys
from tests.support.own_process import program, refuses_to_start_without
from tests.support.waiting import until

SECRETS = {"RUUM_REQUEST_KEY": REQUEST_KEY, "RUUM_NATS_URL": ""}


@pytest.fixture
def environment(
    house: House, neighbours: Mapping[str, Fake], keys: Keys, clock_file: Path, stream_url: str
) -> dict[str, str]:
    port, metrics = free_ports(2)
    return {
        "RUUM_DEPLOYMENT": "local",
        "RUUM_CLOCK_FILE": str(clock_file),
        "RUUM_LISTEN": f"{LOOPBACK}:{port}",
        "RUUM_METRICS_LISTEN": f"{LOOPBACK}:{metrics}",
        "RUUM_KEYS_DIR": str(keys.public),
        "RUUM_SIGNING_KEY_FILE": str(keys.private["gateway"]),
        "RUUM_PUBLIC_URL": "https://ruum.example",
        "RUUM_HELP_MAIL": "help@ruum.example",
        **{f"RUUM_{name}_ADDRESS".upper(): fake.address for name, fake in neighbours.items()},
        **SECRETS,
        "RUUM_NATS_URL": stream_url,
    }


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
async def running_gateway(environment: dict[str, str], log: Path) -> AsyncIterator[Child]:
    async with running(program("gateway", environment, log)) as process:
        yield process


@pytest.fixture
async def http(environment: dict[str, str], running_gateway: object) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{environment['RUUM_LISTEN']}", timeout=20) as http:
        yield http


async def begun(http: httpx.AsyncClient, session: str) -> Any:
    """An open stream of live updates, from which something has been read."""
    headers = {"Authorization": f"Bearer {session}"}

    async def opens() -> bool:
        return (await http.head("/api/v1/events", headers=headers)).is_success

    await until(opens)
    request = http.build_request("GET", "/api/v1/events", headers=headers)
    answer = await http.send(request, stream=True)
    lines = answer.aiter_lines()
    await anext(lines)
    return lines


@pytest.mark.rule("PO-04")
async def test_it_ends_within_seconds_though_members_watch(
    http: httpx.AsyncClient, running_gateway: Child, session: str
) -> None:
    streams = [await begun(http, session) for _ in range(3)]
    os.kill(running_gateway.pid, signal.SIGTERM)
    began = time.monotonic()

    for lines in streams:
        assert [line async for line in lines if line.startswith(("event", "data"))] == []

    assert await asyncio.wait_for(running_gateway.wait(), 10) == 0
    assert time.monotonic() - began < 5


@pytest.mark.rule("PO-04")
async def test_an_answer_under_way_is_given_before_it_ends(
    http: httpx.AsyncClient,
    running_gateway: Child,
    neighbours: Mapping[str, Fake],
    session: str,
) -> None:
    asked = asyncio.Event()

    async def slow(_: Any) -> Any:
        asked.set()
        await asyncio.sleep(1.5)
        return rooms_pb2.Membership()

    neighbours["rooms"].answers["RegisterRoom"] = slow
    headers = {"Authorization": f"Bearer {session}", "Idempotency-Key": str(uuid4())}
    request = asyncio.create_task(http.post("/api/v1/rooms", json={"preview_id": "p"}, headers=headers))
    await asked.wait()

    os.kill(running_gateway.pid, signal.SIGTERM)

    assert (await request).status_code == 200
    assert await asyncio.wait_for(running_gateway.wait(), 10) == 0


@pytest.mark.rule("OP-03")
async def test_its_log_names_requests_and_nobody(
    http: httpx.AsyncClient, running_gateway: Child, log: Path, session: str
) -> None:
    named = str(uuid4())
    body = {
        "address": "hana@example.jp",
        "password": "柿くへば鐘が鳴るなり",
        "language": "ja",
        "device_token": "dev-tok",
    }
    headers = {"Idempotency-Key": "a-key-of-hana", "X-Forwarded-For": "203.0.113.77", "User-Agent": "Hanas phone"}

    await http.post("/api/v1/sessions", json=body, headers=headers)
    await http.get("/api/v1/orders/hana-s-order?cursor=hana", headers={"Authorization": f"Bearer {session}"})
    await http.get("/api/v1/points", headers={"Authorization": f"Bearer {session}", "X-Request-Id": named})
    await http.get("/hana@example.jp/090-1234-5678")
    await running_gateway.stop()

    written = await asyncio.to_thread(log.read_text)
    lines = [json.loads(line) for line in written.splitlines()]
    requests = [line for line in lines if line["event"] == "request" and line["route"] != "/readyz"]
    assert [(line["method"], line["route"], line["status"]) for line in requests] == [
        ("POST", "/api/v1/sessions", 200),
        ("GET", "/api/v1/orders/{order_id}", 400),
        ("GET", "/api/v1/points", 200),
        ("GET", "unknown", 404),
    ]
    assert requests[2]["request_id"] == named
    assert "[masked]" not in written
    number = ("090-1234", "1234-5678", "12345678")  # "090" alone is met in a time by chance
    for private in ("hana", "Hanas", "柿", "dev-tok", session, "203.0.113.77", "127.0.0.1", "a-token-of", *number):
        assert private not in written


async def test_its_metrics_count_routes_and_not_paths(
    http: httpx.AsyncClient, environment: dict[str, str], session: str
) -> None:
    for path in ("/api/v1/points", "/api/v1/points", "/nowhere/1", "/nowhere/2"):
        await http.get(path, headers={"Authorization": f"Bearer {session}"})

    async with httpx.AsyncClient() as other:
        told = (await other.get(f"http://{environment['RUUM_METRICS_LISTEN']}/metrics")).text

    assert 'ruum_http_answered_total{method="GET",route="/api/v1/points",status="200"} 2.0' in told
    assert 'ruum_http_answered_total{method="GET",route="unknown",status="404"} 2.0' in told
    assert 'ruum_service_missing{part="points"} 0.0' in told
    assert "ruum_event_streams 0.0" in told
    assert "nowhere/1" not in told


@pytest.mark.rule("QA-16")
@pytest.mark.parametrize("secret", SECRETS)
async def test_a_missing_secret_stops_the_start_with_its_name(
    environment: dict[str, str], log: Path, secret: str
) -> None:
    await refuses_to_start_without(secret, program("gateway", environment, log))
