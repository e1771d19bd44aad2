from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from deploy.local import nats
from services.chassis.clock import MovableClock
from tests.gateway.fakes import CONTRACTS, Fake, Members
from tests.gateway.house import House, open_house
from tests.support import streams
from tests.support.callers import Keys, keys

__all__ = ["keys"]


@pytest.fixture(scope="session")
def clock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clock") / "offset"


@pytest.fixture(scope="session")
def clock(clock_file: Path) -> MovableClock:
    return MovableClock(clock_file)


@pytest.fixture(scope="session")
def members(keys: Keys, clock: MovableClock) -> Members:
    return Members(keys, clock)


@pytest.fixture(scope="session")
async def neighbours(keys: Keys, clock: MovableClock) -> AsyncIterator[Mapping[str, Fake]]:
    fakes = {name: Fake(name, keys, clock) for name in CONTRACTS}
    for fake in fakes.values():
        await fake.start()
    yield fakes
    for fake in fakes.values():
        await fake.stop()


@pytest.fixture(scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[nats.Nats]:
    """A server of the gateway's own: its tests take the stream away."""
    async with streams.started(tmp_path_factory.mktemp("gateway")) as server:
        yield server


@pytest.fixture(scope="session")
async def stream_url(nats_server: nats.Nats) -> str:
    await nats_server.create_stream()
    return nats_server.url(nats.READER)


@pytest.fixture(scope="session")
async def running(
    neighbours: Mapping[str, Fake], keys: Keys, clock_file: Path, stream_url: str
) -> AsyncIterator[House]:
    addresses = {name: fake.address for name, fake in neighbours.items()}
    async with open_house(addresses, keys, stream_url, clock_file) as house:
        yield house


@pytest.fixture
def house(running: House, neighbours: Mapping[str, Fake], members: Members) -> House:
    """The gateway among neighbours that answer as a test tells them."""
    for fake in neighbours.values():
        fake.forget()
    neighbours["identity"].answers["IssueToken"] = members.issue
    return running


@pytest.fixture
def session(house: House, members: Members) -> str:
    """A member's session."""
    return members.sign_in()
