"""All partners of one process, wired by hand, and their doors."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, FastAPI

from deploy.sandbox import deferred, epos, maker_api, parcels, sms
from deploy.sandbox.card.api import CardApi
from deploy.sandbox.card.errors import gate_error, keeps, speaks_stripe
from deploy.sandbox.card.intents import Intents
from deploy.sandbox.card.refunds import Refunds
from deploy.sandbox.card.wallet import Wallet
from deploy.sandbox.gate import REST, Gate, Manners
from deploy.sandbox.maker import Checks, Orders
from deploy.sandbox.pages import card as card_pages
from deploy.sandbox.pages import epos as epos_pages
from deploy.sandbox.rest import speaks_rest
from deploy.sandbox.settings import Settings
from deploy.sandbox.world import World

STRIPE = Manners(error=gate_error, key_required=False, reused=(400, "idempotency_error"), keeps=keeps)
BY_REFERENCE = Manners(error=REST.error, key_required=False, reused=REST.reused, keeps=REST.keeps)


@dataclass(frozen=True)
class Partners:
    world: World
    inbox: sms.Inbox
    parcels: parcels.Parcels
    checks: Checks
    orders: Orders
    deferred: deferred.Deferred
    epos: epos.Epos
    wallet: Wallet
    intents: Intents
    refunds: Refunds


def wire(world: World) -> Partners:
    carriers, checks, wallet = parcels.Parcels(world), Checks(world), Wallet(world)
    intents = Intents(world, wallet)
    return Partners(
        world=world,
        inbox=sms.Inbox(world),
        parcels=carriers,
        checks=checks,
        orders=Orders(world, checks, carriers),
        deferred=deferred.Deferred(world),
        epos=epos.Epos(world),
        wallet=wallet,
        intents=intents,
        refunds=Refunds(world, intents),
    )


def mount(app: FastAPI, them: Partners, settings: Settings) -> None:
    """Puts every partner under its prefix; pages for people stand before the API that they belong to."""
    world = them.world
    stripe = CardApi(world.store, them.wallet, them.intents, them.refunds)
    card = speaks_stripe(_app(stripe.customer_routes(), stripe.intent_routes(), stripe.refund_routes()))
    people = speaks_stripe(_app(card_pages.routes(world, them.wallet, them.intents)))
    app.mount("/card/v1", Gate(card, world, "card", secret=settings.bearer("card"), manners=STRIPE))
    app.mount("/card", Gate(people, world, "card"))
    app.mount("/epos/pages", Gate(_app(epos_pages.routes(them.epos)), world, "epos"))
    app.mount("/post", Gate(_app(parcels.routes(them.parcels, "post")), world, "post"))
    app.mount("/carrier", Gate(_app(parcels.routes(them.parcels, "parcel")), world, "carrier"))
    for partner, routes, manners in (
        ("deferred", deferred.routes(them.deferred), REST),
        ("epos", epos.routes(them.epos), REST),
        ("maker", maker_api.routes(them.checks, them.orders), REST),
        ("sms", sms.routes(them.inbox), BY_REFERENCE),
    ):
        door = Gate(_app(routes), world, partner, secret=settings.bearer(partner), manners=manners)
        app.mount(f"/{partner}", door)


def _app(*routers: APIRouter) -> FastAPI:
    app = speaks_rest(FastAPI(openapi_url=None))
    for router in routers:
        app.include_router(router)
    return app
