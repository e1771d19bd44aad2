from __future__ import annotations

import grpc
import nats
import pytest
from temporalio.client import Client

from services import CONTEXTS
from tests.conventions.rules import ROOT
from tests.support.alone import NotAlone, is_of_a_domain, refuse


async def test_what_needs_a_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch)

    with pytest.raises(NotAlone):
        grpc.aio.server()
    with pytest.raises(NotAlone):
        grpc.aio.insecure_channel("127.0.0.1:1")
    with pytest.raises(NotAlone):
        await nats.connect("nats://127.0.0.1:1")
    with pytest.raises(NotAlone):
        await Client.connect("127.0.0.1:1")


@pytest.mark.parametrize("context", CONTEXTS)
def test_most_of_what_tries_a_context_tries_its_domain(context: str) -> None:
    files = list((ROOT / "tests" / context).glob("test_*.py"))

    assert sum(is_of_a_domain(file, ROOT) for file in files) > len(files) / 2, (
        f"tests/{context} has {len(files)} files of tests; most are to try its domain through a `world.py` that calls "
        f"`wired()`, beside test_{context}_main.py, test_{context}_service.py and test_with_<neighbour>.py"
    )
