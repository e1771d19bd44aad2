"""The gateway's HTTP application: API, pages, live updates, webhooks, health (PO-01…PO-04)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from services.chassis.errors import NotFound
from services.gateway import openapi
from services.gateway.api import JSON, Api
from services.gateway.health import Health
from services.gateway.pages.site import Site
from services.gateway.routes import events, reaching, texts, webhooks
from services.gateway.routes.resource import Answer, Resource
from services.gateway.routes.table import ENDPOINTS

UNLIMITED = ("/webhooks/", "/healthz", "/readyz")


def routed(
    api: Api,
    site: Site,
    live: events.Events,
    wording: texts.Wording,
    way: reaching.Reaching,
    hooks: webhooks.Webhooks,
    health: Health,
    public_url: str,
) -> ASGIApp:
    """Every path of the gateway, with wired parts behind it; what is not there raises `NotFound`."""
    description = to_json(openapi.describe(ENDPOINTS, public_url, wording.speak_of))

    async def described(_request: Request) -> Response:
        return Response(description, media_type=JSON)

    resources = [
        *_endpoints(api),
        *site.resources(),
        Resource(openapi.PREFIX + events.PATH, {"GET": live.open}),
        Resource(openapi.PREFIX + texts.PATH, {"GET": wording.answer}),
        Resource(openapi.PREFIX + reaching.PATH, {"GET": way.wrong_address}),
        Resource(f"{openapi.PREFIX}/openapi.json", {"GET": described}),
        Resource(webhooks.PATH, {"POST": hooks.receive}),
        Resource("/healthz", {"GET": health.alive}),
        Resource("/readyz", {"GET": health.ready}),
    ]
    routes = [Route(resource.path, resource) for resource in resources]
    return Router(routes, redirect_slashes=False, default=_nowhere)


def _endpoints(api: Api) -> Iterator[Resource]:
    answers: defaultdict[str, dict[str, Answer]] = defaultdict(dict)
    for endpoint in (endpoint for group in ENDPOINTS.values() for endpoint in group):
        answers[endpoint.path][endpoint.verb] = partial(api.answer, endpoint)
    for path, by_verb in answers.items():
        yield Resource(openapi.PREFIX + path, by_verb)


async def _nowhere(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise NotFound
