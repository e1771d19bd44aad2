"""Keys, parcels and messages by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from deploy.sandbox.console.books import Json, Limit, masked
from deploy.sandbox.maker import Check, KeyNumber, Order, Result
from deploy.sandbox.parcels import Kind, Parcel
from deploy.sandbox.partners import Partners
from deploy.sandbox.sms import Message


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Press(Input):
    kind: Kind
    occurred_at: AwareDatetime | None = None


class Answer(Input):
    result: Result


class Reply(Input):
    key_number: str = Field(min_length=1, max_length=40)
    """As the customer wrote it: who types a number may mistype it."""


class Numbers(Input):
    numbers: list[KeyNumber]


def check_seen(check: Check) -> Json:
    return {**check.view(), "key_number": masked(check.key_number)}


def order_seen(order: Order) -> Json:
    return {**order.view(), "key_number": masked(order.key_number), "leaves_by": order.leaves_by}


def parcel_seen(parcel: Parcel) -> Json:
    return {**parcel.view(), "order_ref": parcel.order_ref, **parcel.destination}


def routes(them: Partners) -> APIRouter:
    api = APIRouter()
    _maker(api, them)
    _parcels(api, them)
    _inbox(api, them)
    return api


def _maker(api: APIRouter, them: Partners) -> None:
    store, checks, orders = them.world.store, them.checks, them.orders
    buttons = {"ready": orders.ready, "dispatch": orders.dispatch, "destroyed": orders.destroy}

    @api.get("/checks")
    async def list_checks(q: str = "", limit: Limit = 100) -> Json:
        return {"checks": [check_seen(check) for check in store.newest(Check, q, limit)]}

    @api.post("/checks/{check_id}/answer")
    async def answer(check_id: str, given: Answer) -> Json:
        return check_seen(checks.answer(check_id, given.result))

    @api.get("/checks/{check_id}/key-number")
    async def checked_number(check_id: str) -> Json:
        return {"key_number": checks.get(check_id).key_number}

    @api.get("/orders")
    async def list_orders(q: str = "", limit: Limit = 100) -> Json:
        return {"orders": [order_seen(order) for order in store.newest(Order, q, limit)]}

    @api.get("/orders/{ref}/key-number")
    async def ordered_number(ref: str) -> Json:
        return {"key_number": orders.get(ref).key_number}

    @api.post("/orders/{ref}/number-replied")
    async def number_replied(ref: str, reply: Reply) -> Json:
        checks.customer_replied(ref, reply.key_number)
        return {"order_ref": ref}

    @api.post("/orders/{ref}/{button}")
    async def press_order(ref: str, button: Literal["ready", "dispatch", "destroyed"]) -> Json:
        return order_seen(buttons[button](ref))

    @api.get("/unknown-numbers")
    async def unknown_numbers() -> Json:
        return {"numbers": checks.unknown_numbers()}

    @api.put("/unknown-numbers")
    async def set_unknown_numbers(unknown: Numbers) -> Json:
        store.turn("unknown numbers", sorted(set(unknown.numbers)))
        return {"numbers": checks.unknown_numbers()}


def _parcels(api: APIRouter, them: Partners) -> None:
    @api.get("/parcels")
    async def list_parcels(q: str = "", limit: Limit = 100) -> Json:
        return {"parcels": [parcel_seen(it) for it in them.world.store.newest(Parcel, q, limit)]}

    @api.post("/parcels/{number}/events")
    async def press_parcel(number: str, press: Press) -> Json:
        at: datetime | None = press.occurred_at
        return parcel_seen(them.parcels.record(number, press.kind, at))


def _inbox(api: APIRouter, them: Partners) -> None:
    store = them.world.store

    @api.get("/inbox")
    async def inbox(
        to: str = "",
        channel: Literal["", "mail", "sms"] = "",
        subject: str = "",
        q: str = "",
        limit: Limit = 100,
    ) -> Json:
        marks = {name: value for name, value in (("to", to), ("channel", channel)) if value}
        found = store.find(Message, marks)[::-1] if marks else store.newest(Message, q, 1000)
        return {"messages": [it.view() for it in found if subject in it.subject][:limit]}
