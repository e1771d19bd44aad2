"""Tests of a domain have PostgreSQL and nothing else: what reaches for another server is refused.

Where a service is tried as it runs the file's name says so: `test_<context>_main.py`, `test_<context>_service.py`,
`test_with_<neighbour>.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import grpc
import nats
import pytest
from temporalio.client import Client

from services import CONTEXTS

_DOMAIN = re.compile(rf"tests/({'|'.join(CONTEXTS)})/test_(?!\w+_(main|service)\.py|with_)\w+\.py")


class NotAlone(Exception):
    """A test of a domain needs a server."""


def is_of_a_domain(path: Path, root: Path) -> bool:
    return _DOMAIN.fullmatch(path.relative_to(root).as_posix()) is not None


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets nobody serve or call over gRPC, connect to NATS or to Temporal."""

    def refused(*_: Any, **__: Any) -> NoReturn:
        raise NotAlone("a domain is tried without gRPC, NATS and Temporal: give its ports fakes")

    for owner, name in ((grpc.aio, "server"), (grpc.aio, "insecure_channel"), (nats, "connect"), (Client, "connect")):
        monkeypatch.setattr(owner, name, refused)


@pytest.fixture(autouse=True)
def _a_domain_is_tried_alone(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        if is_of_a_domain(request.path, request.config.rootpath):
            refuse(patched)
        yield
