"""Cards, deferred payments and EPOS by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from deploy.sandbox.card.errors import StripeError
from deploy.sandbox.card.intents import Intent
from deploy.sandbox.console.books import Json, Limit
from deploy.sandbox.console.goods import Input
from deploy.sandbox.deferred import Transaction
from deploy.sandbox.epos import Decision, Payment
from deploy.sandbox.partners import Partners
from deploy.sandbox.rest import Refused


class Outcome(Input):
    outcome: Literal["succeeded", "failed"]


class Review(Input):
    result: Literal["ok", "refused"]


class Paid(Input):
    amount: int | None = Field(default=None, gt=0)


class Decided(Input):
    result: Decision


class NextCards(Input):
    decline_code: (
        Literal["generic_decline", "insufficient_funds", "expired_card", "incorrect_number", "incorrect_cvc"] | None
    ) = None
    times: int = Field(default=1, ge=1)


class NextTransactions(Input):
    result: Literal["hold", "refused"] | None = None
    times: int = Field(default=1, ge=1)


class Next(Input):
    card: NextCards | None = None
    deferred: NextTransactions | None = None


def next_seen(them: Partners) -> Json:
    card, deferred = them.world.next_of("card"), them.world.next_of("deferred")
    return {
        "card": {"decline_code": card[0], "times": card[1]},
        "deferred": {"result": deferred[0], "times": deferred[1]},
    }


def transaction_seen(it: Transaction) -> Json:
    sender = it.model_dump(include={"buyer", "delivery", "invoice_to"})
    return {**it.view(), **sender, "times_overdue": it.invoice.times_overdue if it.invoice else 0}


def routes(them: Partners) -> APIRouter:
    api = APIRouter()
    _cards(api, them)
    _deferred(api, them)
    _epos(api, them)

    @api.get("/next")
    async def read_next() -> Json:
        return next_seen(them)

    @api.put("/next")
    async def set_next(wanted: Next) -> Json:
        if wanted.card:
            them.world.set_next("card", wanted.card.decline_code, wanted.card.times)
        if wanted.deferred:
            them.world.set_next("deferred", wanted.deferred.result, wanted.deferred.times)
        return next_seen(them)

    return api


def _cards(api: APIRouter, them: Partners) -> None:
    @api.get("/payment-intents")
    async def list_intents(q: str = "", limit: Limit = 100) -> Json:
        return {"payment_intents": [it.view() for it in them.world.store.newest(Intent, q, limit)]}

    @api.post("/payment-intents/{key}/authenticate")
    async def authenticate(key: str, given: Outcome) -> Json:
        with _in_plain_words():
            return them.intents.authenticate(key, succeeded=given.outcome == "succeeded").view()

    @api.post("/payment-intents/{key}/lapse")
    async def lapse(key: str) -> Json:
        with _in_plain_words():
            return them.intents.lapse(key).view()


def _deferred(api: APIRouter, them: Partners) -> None:
    @api.get("/transactions")
    async def list_transactions(q: str = "", limit: Limit = 100) -> Json:
        found = them.world.store.newest(Transaction, q, limit)
        return {"transactions": [transaction_seen(it) for it in found]}

    @api.post("/transactions/{key}/review")
    async def review(key: str, given: Review) -> Json:
        return transaction_seen(them.deferred.review(key, given.result))

    @api.post("/transactions/{key}/paid")
    async def paid(key: str, given: Paid) -> Json:
        return transaction_seen(them.deferred.pay(key, given.amount))

    @api.post("/transactions/{key}/overdue")
    async def overdue(key: str) -> Json:
        return transaction_seen(them.deferred.overdue(key))


def _epos(api: APIRouter, them: Partners) -> None:
    @api.get("/payments")
    async def list_payments(q: str = "", limit: Limit = 100) -> Json:
        return {"payments": [it.view() for it in them.world.store.newest(Payment, q, limit)]}

    @api.post("/payments/{key}/decide")
    async def decide(key: str, given: Decided) -> Json:
        return them.epos.decide(key, given.result).view()


@contextmanager
def _in_plain_words() -> Iterator[None]:
    """The card processor's refusals as the console says them."""
    try:
        yield
    except StripeError as no:
        status, code = (404, "not_found") if no.status == 404 else (409, "wrong_state")  # noqa: PLR2004
        raise Refused(status, code, str(no)) from no
