"""The points service: wired by hand, then served."""

from __future__ import annotations

from ruum.points.v1 import events_pb2, points_pb2
from ruum.points.v1.points_pb2_grpc import add_PointsServiceServicer_to_server
from services.chassis import processes
from services.chassis.foundation import Contract, Foundation
from services.chassis.idempotency import Commands
from services.chassis.settings import load
from services.points.events import OrderEvents
from services.points.grants.domain import Grants
from services.points.holds.domain import Holds
from services.points.ledger.domain import Ledger
from services.points.models import inbox, outbox, requests
from services.points.processes import PROCESSES
from services.points.servicer import Domain, PointsServicer
from services.points.settings import Rules, Settings


def wired(commands: Commands, rules: Rules) -> Domain:
    """The domain, made of its parts: what tests replace is given."""
    ledger = Ledger(commands, rules)
    return Domain(ledger=ledger, holds=Holds(commands, ledger), grants=Grants(commands, ledger, rules))


async def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    settings = load(Settings)
    async with Foundation("points", settings, events_pb2, (requests, outbox, inbox)) as foundation:
        domain = wired(foundation.commands, settings)
        temporal = await processes.client(settings.temporal_address, settings.temporal_namespace)
        await foundation.serve(
            Contract(PointsServicer(domain), add_PointsServiceServicer_to_server, points_pb2),
            hears=OrderEvents(domain.grants).handlers(),
            processes=(temporal, PROCESSES),
        )
