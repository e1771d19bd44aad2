"""The store: wired by hand, then served."""

from __future__ import annotations

from collections.abc import Mapping

from ruum.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ruum.points.v1.points_pb2_grpc import PointsServiceStub
from ruum.store.v1 import events_pb2, store_pb2
from ruum.store.v1.store_pb2_grpc import add_StoreServiceServicer_to_server
from services.chassis import processes
from services.chassis.chores import Chore
from services.chassis.clock import Clock
from services.chassis.foundation import Contract, Foundation
from services.chassis.idempotency import Commands
from services.chassis.jst import BusinessCalendar
from services.chassis.partners import JsonPartner
from services.chassis.settings import load
from services.chassis.webhooks import StandardWebhooks, StripeWebhooks
from services.store.books.domain import Books
from services.store.cards.domain import Cards
from services.store.cards.ports import Vault
from services.store.catalogue.domain import Catalogue
from services.store.checkout.domain import Checkouts
from services.store.clients.identity import IdentityClient
from services.store.clients.points import PointsClient
from services.store.coupons.domain import Coupons
from services.store.intents.domain import Intents
from services.store.invoices.domain import Invoices
from services.store.models import Means, inbox, outbox, requests
from services.store.orders.domain import Orders
from services.store.payments.domain import Payments
from services.store.payments.partners.card import CardPartner
from services.store.payments.partners.deferred import DeferredPartner
from services.store.payments.partners.epos import EposPartner
from services.store.payments.ports import Partner
from services.store.placing.domain import Placings
from services.store.ports import Balances, Orderers
from services.store.processes import PROCESSES
from services.store.servicer import Domain, StoreServicer
from services.store.settings import Rules, Settings
from services.store.webhooks.domain import Sender, Webhooks, read_standard, read_stripe


def wired(
    commands: Commands,
    rules: Rules,
    calendar: BusinessCalendar,
    partners: Mapping[Means, Partner],
    vault: Vault,
    senders: Mapping[str, Sender],
    orderers: Orderers,
    balances: Balances,
) -> Domain:
    """The domain, made of its parts: what tests replace is given."""
    database, clock = commands.database, commands.clock
    cards = Cards(database, clock, vault)
    intents = Intents(commands, partners, vault, rules.payer_patience)
    orders = Orders(commands, intents, calendar, rules)
    invoices = Invoices(commands, intents, rules)
    # Orders and invoices ask through intents, and follow what comes of it: the circle is closed here.
    intents.followed_by(orders.follow, invoices.follow)
    return Domain(
        catalogue=Catalogue(commands),
        coupons=Coupons(commands),
        cards=cards,
        intents=intents,
        checkouts=Checkouts(commands, cards, orderers, balances, calendar, rules),
        placings=Placings(commands, intents, calendar, rules),
        payments=Payments(commands, intents, cards, rules),
        orders=orders,
        invoices=invoices,
        books=Books(database, intents, rules),
        webhooks=Webhooks(commands, intents, senders),
    )


async def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    settings = load(Settings)
    card = CardPartner(settings.card_url, settings.card_secret.get_secret_value(), settings.public_url)
    deferred = JsonPartner(settings.deferred_url, settings.deferred_secret.get_secret_value())
    epos = JsonPartner(settings.epos_url, settings.epos_secret.get_secret_value())
    async with Foundation("store", settings, events_pb2, (requests, outbox, inbox)) as foundation:
        for partner in (card, deferred, epos):
            foundation.closes(partner.close)
        domain = wired(
            foundation.commands,
            settings,
            settings.calendar(),
            {"card": card, "deferred": DeferredPartner(deferred), "epos": EposPartner(epos, settings.public_url)},
            card,
            _senders(settings, foundation.clock),
            IdentityClient(IdentityServiceStub(foundation.channel(settings.identity_address, "identity"))),
            PointsClient(PointsServiceStub(foundation.channel(settings.points_address, "points"))),
        )
        client = await processes.client(settings.temporal_address, settings.temporal_namespace)
        await foundation.serve(
            Contract(StoreServicer(domain), add_StoreServiceServicer_to_server, store_pb2),
            processes=(client, PROCESSES),
            chores=[Chore("intents", settings.sweep_every, domain.intents.sweep)],
        )


def _senders(settings: Settings, clock: Clock) -> dict[str, Sender]:
    card, deferred, epos = (
        [secret.get_secret_value()]
        for secret in (settings.card_webhook_secret, settings.deferred_webhook_secret, settings.epos_webhook_secret)
    )
    return {
        "card": Sender(StripeWebhooks(card, clock), read_stripe),
        "deferred": Sender(StandardWebhooks(deferred, clock), read_standard),
        "epos": Sender(StandardWebhooks(epos, clock), read_standard),
    }
