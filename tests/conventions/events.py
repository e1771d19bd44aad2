"""The facts that the contracts have."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from google.protobuf.message import Message

from tests.conventions.rules import ROOT

CONTRACTS = sorted((ROOT / "protos/ruum").glob("*/v1/events.proto"))


def messages() -> Iterator[type[Message]]:
    for path in CONTRACTS:
        module: Any = import_module(f"ruum.{path.parts[-3]}.v1.events_pb2")
        for name in module.DESCRIPTOR.message_types_by_name:
            yield getattr(module, name)


def name(message: type[Message]) -> str:
    """Such as `identity.CodeRequested`."""
    _, context, _, event = message.DESCRIPTOR.full_name.split(".")
    return f"{context}.{event}"
