"""The spare-key service: wired by hand, then served."""

from __future__ import annotations

from ruum.sparekey.v1 import events_pb2, sparekey_pb2
from ruum.sparekey.v1.sparekey_pb2_grpc import add_SparekeyServiceServicer_to_server
from services.chassis import processes
from services.chassis.chores import Chore
from services.chassis.clock import Clock
from services.chassis.events import ProcessLine
from services.chassis.foundation import Contract, Foundation
from services.chassis.idempotency import Commands
from services.chassis.jst import BusinessCalendar
from services.chassis.processes import Process
from services.chassis.sealing import MasterKeys
from services.chassis.settings import load
from services.sparekey.cases.changes import PROCESS
from services.sparekey.cases.waiting import Waiting
from services.sparekey.clients.rooms import GrpcRooms
from services.sparekey.clients.store import GrpcStore
from services.sparekey.desk.domain import Desk
from services.sparekey.dispatch.domain import Dispatch
from services.sparekey.drafts.domain import Drafts
from services.sparekey.events import RoomEvents
from services.sparekey.making.domain import Making
from services.sparekey.members.domain import MemberActions
from services.sparekey.models import inbox, outbox, requests
from services.sparekey.numbers.domain import Vault
from services.sparekey.orders.domain import Orders
from services.sparekey.partners.maker import HttpMaker
from services.sparekey.partners.webhooks import SignedWebhooks
from services.sparekey.placing.domain import Placings
from services.sparekey.placing.steps import PlacingSteps
from services.sparekey.ports import Maker, Processes, Rooms, Store
from services.sparekey.processes import KeyProcesses
from services.sparekey.servicer import Domain, SparekeyServicer
from services.sparekey.settings import Rules, Settings
from services.sparekey.steps.domain import Steps
from services.sparekey.webhooks.domain import Webhooks
from services.sparekey.webhooks.ports import WebhookReader
from workflows.sparekey_order.contract import TASK_QUEUE, WORKFLOW


def wired(
    commands: Commands,
    rules: Rules,
    calendar: BusinessCalendar,
    master_keys: MasterKeys,
    rooms: Rooms,
    store: Store,
    maker: Maker,
    order_processes: Processes,
    reader: WebhookReader,
) -> Domain:
    """The domain, made of its parts: what tests replace is given."""
    waiting = Waiting(rules, calendar)
    vault = Vault(commands, master_keys, rules.number_kept_days)
    making = Making(commands, vault, maker, rooms, store, waiting)
    steps = Steps(commands, making, waiting)
    return Domain(
        vault=vault,
        drafts=Drafts(commands, vault, rooms, store, rules),
        placings=Placings(commands, vault, rooms, store, order_processes, waiting),
        placed=PlacingSteps(commands, store, waiting),
        orders=Orders(commands, vault, rooms, store, waiting),
        member_actions=MemberActions(commands, vault, making, rooms, waiting),
        steps=steps,
        making=making,
        dispatch=Dispatch(commands, steps, making, rooms, waiting),
        webhooks=Webhooks(commands, reader, vault, making.verdicts, waiting),
        desk=Desk(commands, vault, making, rooms, waiting),
    )


async def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    settings = load(Settings)
    maker = HttpMaker(settings.maker_url, settings.maker_secret.get_secret_value())
    async with Foundation("sparekey", settings, events_pb2, (requests, outbox, inbox)) as foundation:
        foundation.closes(maker.close)
        clock = foundation.clock
        temporal = await processes.client(settings.temporal_address, settings.temporal_namespace)
        domain = wired(
            foundation.commands,
            settings,
            settings.calendar(),
            MasterKeys(settings.master_keys_file),
            GrpcRooms(foundation.channel(settings.rooms_address, "rooms"), clock),
            GrpcStore(foundation.channel(settings.store_address, "store")),
            maker,
            KeyProcesses(temporal, clock, settings.dispatch_business_days),
            _signed_webhooks(settings, clock),
        )

        async def begins(line: ProcessLine) -> None:
            await domain.placings.press_on(line.key, int(line.arguments["attempt"]))

        await foundation.serve(
            Contract(SparekeyServicer(domain), add_SparekeyServiceServicer_to_server, sparekey_pb2),
            hears=RoomEvents(domain.dispatch).handlers(),
            processes=(temporal, {PROCESS: Process(WORKFLOW, TASK_QUEUE, begins=begins)}),
            chores=[Chore("open-calls", settings.sweep_every, domain.making.sweep)],
        )


def _signed_webhooks(settings: Settings, clock: Clock) -> SignedWebhooks:
    secrets = {
        "maker": settings.maker_webhook_secret,
        "post": settings.post_webhook_secret,
        "carrier": settings.carrier_webhook_secret,
    }
    return SignedWebhooks({partner: secret.get_secret_value() for partner, secret in secrets.items()}, clock)
