"""The gateway's process (`ruum serve gateway`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import grpc

from services.chassis import log, rpc
from services.chassis.caller import Signer
from services.chassis.settings import load
from services.chassis.telemetry import Telemetry
from services.gateway.api import Api
from services.gateway.app import UNLIMITED, routed
from services.gateway.clients import Services
from services.gateway.edge import Edge
from services.gateway.health import Health
from services.gateway.limits import Limits
from services.gateway.live.feed import Feed
from services.gateway.live.source import Source
from services.gateway.pages.site import Site
from services.gateway.problems import Problems
from services.gateway.routes.events import Events
from services.gateway.routes.reaching import Reaching
from services.gateway.routes.texts import Wording
from services.gateway.routes.webhooks import Webhooks
from services.gateway.server import HttpServer
from services.gateway.sessions import Sessions
from services.gateway.settings import GatewaySettings
from services.gateway.signals import Signals
from services.gateway.visits import Visits
from services.texts import Texts


async def serve() -> None:
    """Serves HTTP until SIGTERM or Ctrl-C; requests under way are finished first."""
    settings = load(GatewaySettings)
    log.configure("gateway", settings.log_level)
    async with wired(settings) as server:
        await server.serve()


@asynccontextmanager
async def wired(settings: GatewaySettings) -> AsyncIterator[HttpServer]:
    """The gateway, made of its parts; while the block runs it hears of events and can serve."""
    clock = settings.clock()
    signer = Signer(settings.signing_key_file, "gateway", clock)
    key = settings.request_key.get_secret_value().encode()
    channels = {name: rpc.channel(address, name, signer) for name, address in settings.addresses.items()}
    plain = {name: grpc.aio.insecure_channel(address) for name, address in settings.addresses.items()}
    feed, limits, telemetry = Feed(), Limits(), Telemetry()
    source = Source(settings.nats_url.get_secret_value(), feed)
    services = Services(channels)
    sessions = Sessions(services, clock, key)
    api = Api(services, sessions, limits, settings.requests_per_minute, ended=feed.end)
    texts = Texts.load()
    problems = Problems(texts)
    site = Site(sessions, limits, settings.requests_per_minute, problems, texts, settings.help_mail)
    way = Reaching(sessions, limits, settings.requests_per_minute, texts, settings.help_mail)
    app = Edge(
        routed(
            api,
            site,
            Events(feed, sessions),
            Wording(texts),
            way,
            Webhooks(services),
            Health(plain, source),
            settings.public_url,
        ),
        problems,
        Visits(key, settings.trusted_proxies),
        limits,
        Signals(telemetry, services, feed),
        settings.requests_per_minute_of_address,
        UNLIMITED,
    )
    following = asyncio.create_task(source.run())
    try:
        with telemetry.serving(settings.metrics_listen) if settings.metrics_listen else nullcontext():
            yield HttpServer(app, settings.listen, leaving=feed.end_all)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await source.close()
        for channel in (*channels.values(), *plain.values()):
            await channel.close()
