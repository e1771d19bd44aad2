"""Wires the notifier by hand, then serves it; it answers no calls but those after its health."""

from __future__ import annotations

from email.headerregistry import Address

import httpx

from ruum.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ruum.store.v1.store_pb2_grpc import StoreServiceStub
from services.chassis.clock import Clock
from services.chassis.db import Database
from services.chassis.foundation import Foundation
from services.chassis.settings import load
from services.notifier.clients.identity import IdentityClient
from services.notifier.clients.store import StoreClient
from services.notifier.events import handlers
from services.notifier.letters.domain import Writer
from services.notifier.models import inbox, outbox, requests
from services.notifier.partners.mail import Smtp
from services.notifier.partners.sms import SmsApi
from services.notifier.ports import Ports
from services.notifier.sending.domain import Sender
from services.notifier.settings import Rules, Settings
from services.texts import Texts


def wired(database: Database, clock: Clock, ports: Ports, rules: Rules, portal: str, key: bytes) -> Sender:
    """The sender on its parts; `portal` is where links lead, `key` keys the digests of addresses."""
    return Sender(database, clock, ports, Writer(Texts.load(), portal, rules.mail_from), rules, key)


async def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    settings = load(Settings)
    domain = Address(addr_spec=settings.mail_from).domain
    http = httpx.AsyncClient(
        base_url=settings.sms_url,
        headers={"authorization": f"Bearer {settings.sms_secret.get_secret_value()}"},
        timeout=settings.sending_patience.total_seconds(),
    )
    async with Foundation("notifier", settings, None, (requests, outbox, inbox)) as foundation:
        foundation.closes(http.aclose)
        ports = Ports(
            identity=IdentityClient(IdentityServiceStub(foundation.channel(settings.identity_address, "identity"))),
            store=StoreClient(StoreServiceStub(foundation.channel(settings.store_address, "store"))),
            mail=Smtp(settings.smtp_host, settings.smtp_port, domain, settings.sending_patience),
            sms=SmsApi(http),
        )
        key = settings.request_key.get_secret_value().encode()
        sender = wired(foundation.database, foundation.clock, ports, settings, settings.public_url, key)
        await foundation.serve(hears=handlers(), beside=[sender.run])
