"""The points service: wired by hand, then served."""

from __future__ import annotations

from ruum.points.v1 import events_pb2, points_pb2
from ruum.points.v1.points_pb2_grpc import add_PointsServiceServicer_to_server
from services.chassis import processes
from services.chassis.events import Relay
from services.chassis.foundation import Foundation
from services.chassis.processes import ProcessStarter
from services.chassis.settings import load
from services.points.events import KeyEvents, StoreEvents
from services.points.grants.domain import Grants
from services.points.holds.domain import Holds
from services.points.ledger.domain import Ledger
from services.points.models import inbox, outbox, requests
from services.points.processes import PROCESSES
from services.points.servicer import PointsServicer
from services.points.settings import PointsSettings


async def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    settings = load(PointsSettings)
    foundation = Foundation("points", settings, events_pb2, (requests, outbox, inbox))
    ledger = Ledger(foundation.commands, settings)
    grants = Grants(foundation.commands, ledger, settings)
    servicer = PointsServicer(ledger, Holds(foundation.commands, ledger), grants)
    server = foundation.server([points_pb2.DESCRIPTOR.services_by_name["PointsService"]])
    add_PointsServiceServicer_to_server(servicer, server.grpc)
    await foundation.publish(server)
    await foundation.consume(server, "store", StoreEvents(grants).handlers())
    await foundation.consume(server, "sparekey", KeyEvents(grants).handlers())
    temporal = await processes.client(settings.temporal_address, settings.temporal_namespace)
    starter = ProcessStarter(temporal, PROCESSES, foundation.database, foundation.outbox, foundation.clock)
    server.beside(Relay(foundation.database, foundation.outbox, "process", starter).run)
    await server.serve()
    await foundation.close()
