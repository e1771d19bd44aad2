"""The card processor's door: `/v1` of Stripe's API."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, Request

from deploy.sandbox.card.errors import StripeError
from deploy.sandbox.card.intents import Intent, Intents
from deploy.sandbox.card.params import (
    Attach,
    Cancel,
    Capture,
    Confirm,
    ListOf,
    NewCustomer,
    NewIntent,
    NewRefund,
    Params,
    Search,
    read,
)
from deploy.sandbox.card.refunds import Refund, Refunds
from deploy.sandbox.card.wallet import Wallet
from deploy.sandbox.store import Store

Json = dict[str, Any]
_CLAUSE = re.compile(
    r"""(?:metadata\[(?P<a>['"])(?P<name>[^'"]+)(?P=a)\]|(?P<status>status))"""
    r""":(?P<b>['"])(?P<value>[^'"]*)(?P=b)"""
)


class CardApi:
    def __init__(self, store: Store, wallet: Wallet, intents: Intents, refunds: Refunds) -> None:
        self._store = store
        self._wallet = wallet
        self._intents = intents
        self._refunds = refunds

    def seen(self, intent: Intent, expand: Iterable[str]) -> Json:
        """An intent as it is answered, with what is to be shown in full."""
        view = intent.view()
        for path in expand:
            name = path.removeprefix("data.")
            if name == "latest_charge" and intent.latest_charge:
                view[name] = self._intents.charge(intent.latest_charge).view()
            elif name == "payment_method" and intent.payment_method:
                view[name] = self._wallet.method(intent.payment_method).view()
            elif name not in {"latest_charge", "payment_method"}:
                raise StripeError(400, f"This property cannot be expanded ({path}).", param="expand")
        return view

    def customer_routes(self) -> APIRouter:
        api, wallet = APIRouter(), self._wallet

        @api.post("/customers")
        async def new_customer(request: Request) -> Json:
            return wallet.new_customer(await read(request, NewCustomer)).view()

        @api.get("/customers/{key}")
        async def customer(key: str) -> Json:
            return wallet.customer(key, "id").view()

        @api.delete("/customers/{key}")
        async def delete_customer(key: str) -> Json:
            return wallet.delete_customer(key).view()

        @api.get("/customers/{key}/payment_methods")
        async def methods_of(key: str, request: Request) -> Json:
            return _page(request, wallet.of_customer(key), await read(request, ListOf))

        @api.get("/payment_methods")
        async def methods(request: Request) -> Json:
            asked = await read(request, ListOf)
            if asked.customer is None:
                raise StripeError(400, "customer is missing", code="parameter_missing", param="customer")
            return _page(request, wallet.of_customer(asked.customer), asked)

        @api.get("/payment_methods/{key}")
        async def method(key: str) -> Json:
            return wallet.method(key).view()

        @api.post("/payment_methods/{key}/attach")
        async def attach(key: str, request: Request) -> Json:
            return wallet.attach(key, (await read(request, Attach)).customer).view()

        @api.post("/payment_methods/{key}/detach")
        async def detach(key: str, request: Request) -> Json:
            await read(request, Params)
            return wallet.detach(key).view()

        return api

    def intent_routes(self) -> APIRouter:
        api, intents = APIRouter(), self._intents

        @api.post("/payment_intents")
        async def new_intent(request: Request) -> Json:
            new = await read(request, NewIntent)
            return self.seen(intents.open(new, f"{request.base_url}card/3ds"), new.expand)

        @api.get("/payment_intents")
        async def list_intents(request: Request) -> Json:
            asked = await read(request, ListOf)
            found = (
                self._store.find(Intent, {"customer": asked.customer})[::-1]
                if asked.customer
                else self._store.newest(Intent, limit=10_000)
            )
            return _page(request, found, asked, lambda it: self.seen(it, asked.expand))

        @api.get("/payment_intents/search")
        async def search(request: Request) -> Json:
            asked = await read(request, Search)
            found = self._store.find(Intent, _wanted(asked.query))[::-1]
            start, end = asked.page, asked.page + asked.limit
            return {
                "object": "search_result",
                "url": "/v1/payment_intents/search",
                "has_more": len(found) > end,
                "next_page": str(end) if len(found) > end else None,
                "data": [self.seen(intent, asked.expand) for intent in found[start:end]],
            }

        @api.get("/payment_intents/{key}")
        async def intent(key: str, request: Request) -> Json:
            return self.seen(intents.get(key), (await read(request, Params)).expand)

        @api.post("/payment_intents/{key}/confirm")
        async def confirm(key: str, request: Request) -> Json:
            how = await read(request, Confirm)
            return self.seen(intents.confirm(key, how), how.expand)

        @api.post("/payment_intents/{key}/capture")
        async def capture(key: str, request: Request) -> Json:
            how = await read(request, Capture)
            return self.seen(intents.capture(key, how.amount_to_capture), how.expand)

        @api.post("/payment_intents/{key}/cancel")
        async def cancel(key: str, request: Request) -> Json:
            how = await read(request, Cancel)
            return self.seen(intents.cancel(key, how.cancellation_reason), how.expand)

        @api.get("/charges/{key}")
        async def charge(key: str) -> Json:
            return intents.charge(key).view()

        return api

    def refund_routes(self) -> APIRouter:
        api, refunds = APIRouter(), self._refunds

        @api.post("/refunds")
        async def new_refund(request: Request) -> Json:
            return refunds.open(await read(request, NewRefund)).view()

        @api.get("/refunds")
        async def list_refunds(request: Request) -> Json:
            asked = await read(request, ListOf)
            found = (
                refunds.of_intent(asked.payment_intent)
                if asked.payment_intent
                else self._store.newest(Refund, limit=10_000)
            )
            return _page(request, found, asked)

        @api.get("/refunds/{key}")
        async def refund(key: str) -> Json:
            return refunds.get(key).view()

        return api


def _page(
    request: Request, found: list[Any], asked: ListOf, view: Callable[[Any], Json] = lambda it: it.view()
) -> Json:
    """One page of a list that is newest first."""
    keys = [it.id for it in found]
    start = keys.index(asked.starting_after) + 1 if asked.starting_after in keys else 0
    end = start + asked.limit
    return {
        "object": "list",
        "url": request.url.path[request.url.path.index("/v1") :],
        "has_more": len(found) > end,
        "data": [view(it) for it in found[start:end]],
    }


def _wanted(query: str) -> dict[str, str]:
    """The marks that a search asks for.

    Raises:
        StripeError: 400, the query is more than clauses joined by AND.
    """
    wanted = {}
    for part in re.split(r"\s+AND\s+", query.strip(), flags=re.IGNORECASE):
        clause = _CLAUSE.fullmatch(part)
        if clause is None:
            raise StripeError(400, "We were unable to parse your search query.", param="query")
        wanted["status" if clause["status"] else f"metadata.{clause['name']}"] = clause["value"]
    # Nearly every intent has the same few states, so they are looked at last.
    return dict(sorted(wanted.items(), key=lambda mark: mark[0] == "status"))
