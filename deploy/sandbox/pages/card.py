"""The card processor's pages: the form that turns a card into a token, and the issuer's 3-D Secure check."""

from __future__ import annotations

import re
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response

from deploy.sandbox.card.intents import Intents
from deploy.sandbox.card.wallet import Wallet, brand_of
from deploy.sandbox.pages.forms import back_to, page, sent, web_address
from deploy.sandbox.rest import Refused
from deploy.sandbox.world import World

_CENTURY = 2000
_MONTHS = 12


def routes(world: World, wallet: Wallet, intents: Intents) -> APIRouter:
    pages = APIRouter()

    @pages.get("/form")
    async def form(request: Request) -> Response:
        return_url = _return_url(request.query_params.get("return", ""))
        return page(request, "card.html", error=None, return_url=return_url, exp="", name="")

    @pages.post("/form")
    async def take(request: Request) -> Response:
        given = await sent(request)
        return_url = _return_url(given.get("return", ""))
        number = re.sub(r"[\s-]", "", given.get("number", ""))
        error = _fault(number, given.get("exp", ""), given.get("cvc", ""), world.now())
        if error:
            kept = {"exp": given.get("exp", ""), "name": given.get("name", "")}
            return page(request, "card.html", 422, error=error, return_url=return_url, **kept)
        month, year = _expiry(given["exp"]) or (0, 0)
        return back_to(return_url, payment_method=wallet.from_form(number, month, year).id)

    @pages.get("/3ds/{key}")
    async def ask(key: str, request: Request) -> Response:
        intent = intents.get(key)
        if intent.status != "requires_action":
            return page(request, "over.html", 410, said="over", return_url=intent.return_url)
        return page(request, "three_ds.html", yen=intent.amount)

    @pages.post("/3ds/{key}")
    async def answer(key: str, request: Request) -> Response:
        intent, succeeded = intents.get(key), (await sent(request)).get("outcome") == "succeeded"
        if intent.status != "requires_action":
            return page(request, "over.html", 410, said="over", return_url=intent.return_url)
        done = intents.authenticate(key, succeeded=succeeded)
        outcome = "succeeded" if done.status in {"requires_capture", "succeeded"} else "failed"
        if intent.return_url is None:
            return page(request, "over.html", said="over", return_url=None)
        return back_to(intent.return_url, payment_intent=key, redirect_status=outcome)

    return pages


def _return_url(url: str) -> str:
    try:
        return web_address(url)
    except ValueError as wrong:
        raise Refused(422, "invalid", "return is not a web address") from wrong


def _fault(number: str, exp: str, cvc: str, now: datetime) -> str | None:
    """The code of what is wrong with a card as it was typed."""
    if not re.fullmatch(r"\d{12,19}", number) or _luhn(number):
        return "incorrect_number"
    if brand_of(number) is None:
        return "unknown_brand"
    expiry = _expiry(exp)
    if expiry is None:
        return "invalid_expiry"
    if expiry[::-1] < (now.year, now.month):
        return "expired_card"
    return None if re.fullmatch(r"\d{3,4}", cvc) else "invalid_cvc"


def _expiry(typed: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(?:20)?(\d{2})\s*", typed)
    if match is None or not 1 <= int(match[1]) <= _MONTHS:
        return None
    return int(match[1]), _CENTURY + int(match[2])


def _luhn(number: str) -> int:
    """The remainder of the check digit's sum: nought for a number that can be."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2])
    return (sum(doubled) + sum(int(digit) for digit in number[::-2])) % 10
