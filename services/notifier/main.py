"""The notifier: wired by hand, then served; it answers no calls but those after its health."""

from __future__ import annotations

from email.headerregistry import Address

import httpx

from ruum.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ruum.store.v1.store_pb2_grpc import StoreServiceStub
from services.chassis.foundation import Foundation
from services.chassis.settings import load
from services.notifier.clients.identity import IdentityClient
from services.notifier.clients.store import StoreClient
from services.notifier.deliveries.domain import Planner
from services.notifier.events import Events
from services.notifier.letters.domain import Writer
from services.notifier.models import inbox, outbox, requests
from services.notifier.partners.mail import Smtp
from services.notifier.partners.sms import SmsApi
from services.notifier.sending.domain import Sender
from services.notifier.settings import NotifierSettings
from services.texts import Texts


async def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    settings = load(NotifierSettings)
    domain = Address(addr_spec=settings.mail_from).domain
    http = httpx.AsyncClient(
        base_url=settings.sms_url,
        headers={"authorization": f"Bearer {settings.sms_secret.get_secret_value()}"},
        timeout=settings.sending_patience.total_seconds(),
    )
    async with Foundation("notifier", settings, None, (requests, outbox, inbox)) as foundation:
        foundation.closes(http.aclose)
        sender = Sender(
            foundation.database,
            foundation.clock,
            IdentityClient(IdentityServiceStub(foundation.channel(settings.identity_address, "identity"))),
            StoreClient(StoreServiceStub(foundation.channel(settings.store_address, "store"))),
            Writer(Texts.load(), settings.public_url, settings.mail_from),
            Smtp(settings.smtp_host, settings.smtp_port, domain, settings.sending_patience),
            SmsApi(http),
            settings,
            settings.request_key.get_secret_value().encode(),
        )
        events = Events(Planner())
        await foundation.serve(hears=events.handlers(), beside=[sender.run])
