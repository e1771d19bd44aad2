"""The gateway's process (`ruum serve gateway`)."""

from __future__ import annotations

import grpc
import uvicorn

from ruum.identity.v1.identity_pb2_grpc import IdentityServiceStub
from services.chassis import log, rpc
from services.chassis.caller import Signer
from services.chassis.settings import load
from services.gateway.api import Api
from services.gateway.app import build
from services.gateway.clients import Services
from services.gateway.health import Health
from services.gateway.limits import Limits
from services.gateway.problems import Problems
from services.gateway.sessions import Sessions
from services.gateway.settings import GatewaySettings
from services.texts import Texts


async def serve() -> None:
    """Serves HTTP until SIGTERM or Ctrl-C; requests under way are finished first."""
    settings = load(GatewaySettings)
    log.configure("gateway", settings.log_level)
    clock = settings.clock()
    signer = Signer(settings.signing_key_file, "gateway", clock)
    addresses = {
        "identity": settings.identity_address,
        "rooms": settings.rooms_address,
        "store": settings.store_address,
        "points": settings.points_address,
        "sparekey": settings.sparekey_address,
    }
    channels = {name: rpc.channel(address, name, signer) for name, address in addresses.items()}
    # Health is asked without a token: it is open to all, and an answer of ours would hide the state.
    plain = {name: grpc.aio.insecure_channel(address) for name, address in addresses.items()}
    key = settings.request_key.get_secret_value().encode()
    sessions = Sessions(IdentityServiceStub(channels["identity"]), clock, key)
    api = Api(Services(channels), sessions, Problems(Texts.load()), key, settings.trusted_proxies)
    app = build(api, Limits(settings.requests_per_minute), Health(plain), settings.public_url)
    host, _, port = settings.listen.rpartition(":")
    config = uvicorn.Config(
        app,
        host=host,
        port=int(port),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    await uvicorn.Server(config).serve()
    for channel in (*channels.values(), *plain.values()):
        await channel.close()
