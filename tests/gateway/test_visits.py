"""Who a client is behind proxies, and what of it is told to services and logs (PO-02, ID-05, OP-03)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from services.gateway.visits import Visits
from tests.gateway.fakes import Fake
from tests.gateway.house import House, open_house
from tests.support.callers import Keys

KEY = b"k" * 32
CODE = {"address": "hana@example.jp", "language": "ja"}


def client(address: str, forwarded: str = "", proxies: int = 0, key: bytes = KEY) -> str:
    headers = [("x-forwarded-for", line) for line in forwarded.split("|") if line]
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return Visits(key, proxies).of({"client": (address, 5)}, Headers(raw=raw)).client


@pytest.mark.rule("PO-02")
def test_of_the_forwarded_addresses_only_those_of_our_own_proxies_count() -> None:
    visitor = client("203.0.113.9")

    assert client("203.0.113.9", "198.51.100.1") == visitor
    assert client("10.0.0.1", "203.0.113.9", proxies=1) == visitor
    assert client("10.0.0.1", "198.51.100.1, 203.0.113.9", proxies=1) == visitor
    assert client("10.0.0.1", "198.51.100.1|203.0.113.9", proxies=1) == visitor
    assert client("10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2", proxies=2) == visitor
    assert client("203.0.113.9", "", proxies=1) == visitor
    assert client("203.0.113.9", "198.51.100.1", proxies=2) == visitor


def test_a_household_is_one_client_however_many_addresses_it_has() -> None:
    assert client("2001:db8:1:2::1") == client("2001:db8:1:2:ffff::9")
    assert client("2001:db8:1:2::1") != client("2001:db8:1:3::1")
    assert client("::ffff:203.0.113.9") == client("203.0.113.9")
    assert client("203.0.113.8") != client("203.0.113.9")
    assert client("unknown") == client("unknown")


@pytest.mark.rule("ID-05")
def test_the_digest_needs_our_key() -> None:
    assert client("203.0.113.9") != client("203.0.113.9", key=b"x" * 32)
    assert re.fullmatch("[0-9a-f]{32}", client("203.0.113.9"))


async def test_services_are_told_the_client_and_believe_nothing_that_it_says_of_itself(
    house: House, neighbours: Mapping[str, Fake]
) -> None:
    for claimed in ("203.0.113.9", "198.51.100.1"):
        await house.post("/api/v1/sign-up/codes", json=CODE, headers={"X-Forwarded-For": claimed})

    first, second = (request.client for _, request, _ in neighbours["identity"].asked)
    assert first == second
    assert re.fullmatch("[0-9a-f]{32}", first)


async def test_behind_our_proxy_each_visitor_is_another_client(
    house: House, neighbours: Mapping[str, Fake], keys: Keys, clock_file: Path, stream_url: str
) -> None:
    addresses = {name: fake.address for name, fake in neighbours.items()}

    async with open_house(addresses, keys, stream_url, clock_file, trusted_proxies=1) as behind:
        for forwarded in ("203.0.113.9", "198.51.100.1", "spoofed, 203.0.113.9"):
            await behind.post("/api/v1/sign-up/codes", json=CODE, headers={"X-Forwarded-For": forwarded})

    first, second, third = (request.client for _, request, _ in neighbours["identity"].asked)
    assert first != second
    assert first == third


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("3f0c5f0e-8d1b-4a55-9c43-0d8f5a6c1e77", True),
        ("4bf92f3577b34da6a3ce929d0e0e4736", True),
        ("req_01jv8z5k3q4t6w7x9y2abcdefg", True),
        ("hana@example.jp", False),
        ("09012345678", False),
        ("x" * 300, False),
        ("", False),
    ],
)
async def test_a_request_is_named_in_every_answer_by_an_id_that_says_nothing(
    house: House, asked: str, kept: bool
) -> None:
    for path in ("/healthz", "/nowhere"):
        answer = await house.get(path, headers={"X-Request-Id": asked})

        assert (answer.headers["x-request-id"] == asked) == kept
        assert kept or re.fullmatch("req_[0-9a-hjkmnp-tv-z]{26}", answer.headers["x-request-id"])
