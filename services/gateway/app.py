"""The gateway's HTTP application: API, webhooks, health, and what holds for every answer (PO-02, PO-04)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.chassis.errors import Defect, NotFound, RuumError
from services.gateway import openapi
from services.gateway.api import Api
from services.gateway.endpoints import Endpoint
from services.gateway.health import Health
from services.gateway.limits import Limits
from services.gateway.routes import webhooks
from services.gateway.routes.table import ENDPOINTS

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
}


def build(api: Api, limits: Limits, health: Health, public_url: str) -> FastAPI:
    """The application of wired parts."""
    app = FastAPI(title="ruum", docs_url=None, redoc_url=None, openapi_url=None)
    for endpoints in ENDPOINTS.values():
        for endpoint in endpoints:
            app.add_route(openapi.PREFIX + endpoint.path, _handler(api, endpoint), methods=[endpoint.verb])
    description = openapi.describe(ENDPOINTS, public_url)

    async def described(_request: Request) -> Response:
        return JSONResponse(description)

    async def webhook(request: Request) -> Response:
        return await webhooks.receive(api, request)

    app.add_route(f"{openapi.PREFIX}/openapi.json", described, methods=["GET"])
    app.add_route("/webhooks/{partner}", webhook, methods=["POST"])
    app.add_route("/healthz", health.alive, methods=["GET"])
    app.add_route("/readyz", health.ready, methods=["GET"])
    _name_failures(app, api)
    _guard(app, api, limits)
    return app


def _name_failures(app: FastAPI, api: Api) -> None:
    """What no endpoint answers is a problem too."""

    async def unknown(request: Request, _failure: Exception) -> Response:
        return api.problems.answer(request, NotFound())

    async def broken(request: Request, _failure: Exception) -> Response:
        return api.problems.answer(request, Defect())

    app.add_exception_handler(404, unknown)
    app.add_exception_handler(405, unknown)
    app.add_exception_handler(Exception, broken)


def _guard(app: FastAPI, api: Api, limits: Limits) -> None:
    """What goes around every request."""

    @app.middleware("http")
    async def around(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            if request.url.path.startswith(openapi.PREFIX):
                await limits.count(api.client_of(request))
            response = await go_on(request)
        except RuumError as failure:
            response = api.problems.answer(request, failure)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def _handler(api: Api, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await api.answer(endpoint, request)

    return handle
