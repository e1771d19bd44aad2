"""The rooms service: wired by hand, then served."""

from __future__ import annotations

from ruum.rooms.v1 import events_pb2, rooms_pb2
from ruum.rooms.v1.rooms_pb2_grpc import add_RoomsServiceServicer_to_server
from services.chassis.chores import Chore
from services.chassis.foundation import Contract, Foundation
from services.chassis.idempotency import Commands
from services.chassis.settings import load
from services.rooms.codes.domain import FORGOTTEN_EVERY, Codes
from services.rooms.conflicts.domain import Conflicts
from services.rooms.leases.domain import Leases
from services.rooms.members.domain import Members
from services.rooms.models import inbox, outbox, requests
from services.rooms.registration.domain import Registration
from services.rooms.servicer import Domain, RoomsServicer
from services.rooms.settings import Rules, Settings


def wired(commands: Commands, rules: Rules, key: bytes, public_url: str) -> Domain:
    """The domain, made of its parts: what tests replace is given. `key` is that of `Settings.code_key`."""
    codes = Codes(commands, rules, key, public_url)
    conflicts = Conflicts(commands)
    return Domain(
        leases=Leases(commands),
        codes=codes,
        registration=Registration(commands, codes, conflicts),
        conflicts=conflicts,
        members=Members(commands, rules),
    )


async def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    settings = load(Settings)
    key = settings.code_key.get_secret_value().encode()
    async with Foundation("rooms", settings, events_pb2, (requests, outbox, inbox)) as foundation:
        domain = wired(foundation.commands, settings, key, settings.public_url)
        await foundation.serve(
            Contract(RoomsServicer(domain), add_RoomsServiceServicer_to_server, rooms_pb2),
            chores=[Chore("old-tries", FORGOTTEN_EVERY, domain.codes.forget_old_tries)],
        )
