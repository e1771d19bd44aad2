"""The store's process: everything wired by hand, then served."""

from __future__ import annotations

from collections.abc import Mapping

from ruum.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ruum.points.v1.points_pb2_grpc import PointsServiceStub
from ruum.store.v1 import events_pb2, store_pb2
from ruum.store.v1.store_pb2_grpc import StoreServiceServicer, add_StoreServiceServicer_to_server
from services.chassis import processes
from services.chassis.chores import Chore
from services.chassis.clock import Clock
from services.chassis.foundation import Contract, Foundation
from services.chassis.idempotency import Commands
from services.chassis.jst import BusinessCalendar
from services.chassis.settings import load
from services.chassis.webhooks import StandardWebhooks, StripeWebhooks
from services.store.books.domain import Books
from services.store.books.servicer import BooksServicer
from services.store.cards.domain import Cards
from services.store.cards.ports import Vault
from services.store.cards.servicer import CardsServicer
from services.store.catalogue.domain import Catalogue
from services.store.catalogue.servicer import CatalogueServicer
from services.store.checkout.domain import Checkouts
from services.store.checkout.servicer import CheckoutServicer
from services.store.clients.identity import IdentityClient
from services.store.clients.points import PointsClient
from services.store.coupons.domain import Coupons
from services.store.coupons.servicer import CouponsServicer
from services.store.intents.domain import Intents
from services.store.invoices.domain import Invoices
from services.store.invoices.servicer import InvoicesServicer
from services.store.models import Means, inbox, outbox, requests
from services.store.orders.domain import Orders
from services.store.orders.servicer import OrdersServicer
from services.store.payments.domain import Payments
from services.store.payments.partners.card import CardPartner
from services.store.payments.partners.deferred import DeferredPartner
from services.store.payments.partners.epos import EposPartner
from services.store.payments.partners.http import JsonPartner
from services.store.payments.ports import Partner
from services.store.payments.servicer import PaymentsServicer
from services.store.placing.domain import Placings
from services.store.placing.servicer import PlacingServicer
from services.store.ports import Balances, Orderers
from services.store.processes import PROCESSES
from services.store.settings import StoreRules, StoreSettings
from services.store.webhooks.domain import Sender, Webhooks, read_standard, read_stripe
from services.store.webhooks.servicer import WebhooksServicer


class Store(
    BooksServicer,
    CardsServicer,
    CatalogueServicer,
    CheckoutServicer,
    CouponsServicer,
    InvoicesServicer,
    OrdersServicer,
    PaymentsServicer,
    PlacingServicer,
    WebhooksServicer,
    StoreServiceServicer,
):
    """All of the store behind its one contract."""

    def __init__(
        self,
        commands: Commands,
        partners: Mapping[Means, Partner],
        vault: Vault,
        senders: Mapping[str, Sender],
        orderers: Orderers,
        balances: Balances,
        calendar: BusinessCalendar,
        rules: StoreRules,
    ) -> None:
        database, clock, late = commands.database, commands.clock, rules.late
        self.yen_per_point = rules.yen_per_point
        self.catalogue = Catalogue(commands)
        self.coupons = Coupons(commands)
        self.cards = Cards(database, clock, vault)
        self.intents = Intents(commands, partners, vault, rules.payer_patience)
        self.checkouts = Checkouts(commands, self.cards, orderers, balances, calendar, rules)
        self.placings = Placings(commands, self.intents, calendar, rules, late)
        self.payments = Payments(commands, self.intents, self.cards, rules)
        self.orders = Orders(commands, self.intents, calendar, late)
        self.invoices = Invoices(commands, self.intents, late)
        self.books = Books(database, self.intents, late)
        self.webhooks = Webhooks(commands, self.intents, senders)
        self.intents.followed_by(self.orders.follow, self.invoices.follow)


async def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    settings = load(StoreSettings)
    card = CardPartner(settings.card_url, settings.card_secret.get_secret_value(), settings.public_url)
    deferred = JsonPartner(settings.deferred_url, settings.deferred_secret.get_secret_value())
    epos = JsonPartner(settings.epos_url, settings.epos_secret.get_secret_value())
    async with Foundation("store", settings, events_pb2, (requests, outbox, inbox)) as foundation:
        for partner in (card, deferred, epos):
            foundation.closes(partner.close)
        store = Store(
            foundation.commands,
            {"card": card, "deferred": DeferredPartner(deferred), "epos": EposPartner(epos, settings.public_url)},
            card,
            _senders(settings, foundation.clock),
            IdentityClient(IdentityServiceStub(foundation.channel(settings.identity_address, "identity"))),
            PointsClient(PointsServiceStub(foundation.channel(settings.points_address, "points"))),
            settings.calendar(),
            settings,
        )
        client = await processes.client(settings.temporal_address, settings.temporal_namespace)
        await foundation.serve(
            Contract(store, add_StoreServiceServicer_to_server, store_pb2),
            processes=(client, PROCESSES),
            chores=[Chore("intents", settings.sweep_every, store.intents.sweep)],
        )


def _senders(settings: StoreSettings, clock: Clock) -> dict[str, Sender]:
    card, deferred, epos = (
        [secret.get_secret_value()]
        for secret in (settings.card_webhook_secret, settings.deferred_webhook_secret, settings.epos_webhook_secret)
    )
    return {
        "card": Sender(StripeWebhooks(card, clock), read_stripe),
        "deferred": Sender(StandardWebhooks(deferred, clock), read_standard),
        "epos": Sender(StandardWebhooks(epos, clock), read_standard),
    }
