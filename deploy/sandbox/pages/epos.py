"""EPOS's page, where a person signs in and pays, declines or just closes it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from deploy.sandbox.epos import Decision, Epos
from deploy.sandbox.pages.forms import back_to, page, sent

_DECISIONS: dict[str, Decision] = {"approved": "approved", "declined": "declined"}


def routes(epos: Epos) -> APIRouter:
    pages = APIRouter()

    @pages.get("/{key}")
    async def show(key: str, request: Request) -> Response:
        payment = epos.get(key)
        if payment.state != "open":
            return page(request, "over.html", 410, said="over", return_url=payment.return_url)
        return page(request, "epos.html", yen=payment.amount, error=None)

    @pages.post("/{key}")
    async def decide(key: str, request: Request) -> Response:
        payment, form = epos.get(key), await sent(request)
        decision = _DECISIONS.get(form.get("decision", ""))
        if decision is None:
            return page(request, "over.html", said="closed", return_url=None)
        if payment.state != "open":
            return page(request, "over.html", 410, said="over", return_url=payment.return_url)
        if decision == "approved" and not (form.get("user") and form.get("password")):
            return page(request, "epos.html", 422, yen=payment.amount, error="sign_in_first")
        epos.decide(key, decision)
        return back_to(payment.return_url, payment=key)

    return pages
