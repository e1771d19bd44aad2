"""Wires the rooms service by hand, then serves it."""

from __future__ import annotations

from ruum.rooms.v1 import events_pb2, rooms_pb2
from ruum.rooms.v1.rooms_pb2_grpc import add_RoomsServiceServicer_to_server
from services.chassis.chores import Chore
from services.chassis.foundation import Contract, Foundation
from services.chassis.settings import load
from services.rooms.codes.domain import FORGOTTEN_EVERY, Codes
from services.rooms.conflicts.domain import Conflicts
from services.rooms.leases.domain import Leases
from services.rooms.members.domain import Members
from services.rooms.models import inbox, outbox, requests
from services.rooms.registration.domain import Registration
from services.rooms.servicer import RoomsServicer
from services.rooms.settings import Settings


async def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    settings = load(Settings)
    async with Foundation("rooms", settings, events_pb2, (requests, outbox, inbox)) as foundation:
        commands = foundation.commands
        codes = Codes(commands, settings)
        conflicts = Conflicts(commands)
        servicer = RoomsServicer(
            Leases(commands),
            codes,
            Registration(commands, codes, conflicts),
            conflicts,
            Members(foundation.database, foundation.clock, settings.permission_lifetime),
        )
        await foundation.serve(
            Contract(servicer, add_RoomsServiceServicer_to_server, rooms_pb2),
            chores=[Chore("old tries", FORGOTTEN_EVERY, codes.forget_old_tries)],
        )
