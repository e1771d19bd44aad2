"""The page: every partner's things with their buttons."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.sandbox.card.intents import Intent
from deploy.sandbox.console.books import Json
from deploy.sandbox.console.goods import check_seen, order_seen, parcel_seen
from deploy.sandbox.console.knobs import automation_seen, faults_seen, rules_seen
from deploy.sandbox.console.money import next_seen, transaction_seen
from deploy.sandbox.deferred import Transaction
from deploy.sandbox.epos import Payment
from deploy.sandbox.maker import Check, Order
from deploy.sandbox.parcels import Parcel
from deploy.sandbox.partners import Partners
from deploy.sandbox.sms import Message
from deploy.sandbox.webhook_log import WebhookLog
from deploy.sandbox.world import JST

_SHOWN = 12
_PAGE_POLICY = "default-src 'self'; img-src data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
_MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "img-src data: http: https:; style-src 'unsafe-inline'"
)
_started = secrets.token_hex(4)


def routes(them: Partners) -> APIRouter:
    pages = APIRouter()
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["body"] = lambda value: json.dumps(value, ensure_ascii=False)
    templates.filters["jst"] = lambda instant: _japan(datetime.fromisoformat(instant))

    @pages.get("/")
    async def show(q: str = "") -> Response:
        html = templates.get_template("page.html").render(_facts(them, q.strip()))
        return HTMLResponse(html, headers={"content-security-policy": _PAGE_POLICY})

    @pages.get("/console/sections")
    async def sections(q: str = "") -> Response:
        return HTMLResponse(templates.get_template("sections.html").render(_facts(them, q.strip())))

    @pages.get("/console/revision")
    async def revision() -> Json:
        return {"revision": _revision(them), "now": _japan(them.world.now())}

    @pages.get("/console/messages/{key}")
    async def message(key: str) -> Response:
        html = them.world.need(Message, key).html
        # Links of a mail open beside the console: its frame may not navigate anything.
        return HTMLResponse(f'<base target="_blank">{html}', headers={"content-security-policy": _MAIL_POLICY})

    return pages


def _revision(them: Partners) -> str:
    """Changes whenever the sections do, also over a restart."""
    return f"{_started}-{them.world.store.revision}"


def _japan(instant: datetime) -> str:
    return f"{instant.astimezone(JST):%Y-%m-%d %H:%M:%S}"


def _facts(them: Partners, q: str) -> Json:
    world, store = them.world, them.world.store
    kept = (Message, Parcel, Check, Order, Intent, Transaction, Payment)
    return {
        "q": q,
        "revision": _revision(them),
        "now": _japan(them.world.now()),
        "counts": {cls.KIND: store.count(cls) for cls in kept},
        "messages": [it.view() for it in store.newest(Message, q, _SHOWN)],
        "parcels": [parcel_seen(it) for it in store.newest(Parcel, q, _SHOWN)],
        "checks": [check_seen(it) for it in store.newest(Check, q, _SHOWN)],
        "orders": [order_seen(it) for it in store.newest(Order, q, _SHOWN)],
        "unknown": them.checks.unknown_numbers(),
        "intents": [it.view() for it in store.newest(Intent, q, _SHOWN)],
        "transactions": [transaction_seen(it) for it in store.newest(Transaction, q, _SHOWN)],
        "payments": [it.view() for it in store.newest(Payment, q, _SHOWN)],
        "next": next_seen(them),
        "automation": automation_seen(world),
        "faults": faults_seen(world),
        "rules": rules_seen(world),
        "webhooks": WebhookLog(world).newest("", "", q, 2 * _SHOWN),
    }
