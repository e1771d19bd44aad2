"""The key maker's door: its verbs over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from deploy.sandbox.maker import Checks, NewCheck, NewOrder, Orders, Redelivery
from deploy.sandbox.parcels import Destination


def routes(checks: Checks, orders: Orders) -> APIRouter:
    api = APIRouter()

    @api.post("/checks", status_code=202)
    async def open_check(new: NewCheck) -> dict[str, Any]:
        return checks.open(new).view()

    @api.get("/checks")
    async def find_checks(order_ref: str) -> dict[str, Any]:
        return {"checks": [check.view() for check in checks.find(order_ref)]}

    @api.get("/checks/{check_id}")
    async def read_check(check_id: str) -> dict[str, Any]:
        return checks.get(check_id).view()

    @api.post("/orders", status_code=202)
    async def open_order(new: NewOrder) -> dict[str, Any]:
        return orders.open(new).view()

    @api.get("/orders/{ref}")
    async def read_order(ref: str) -> dict[str, Any]:
        return orders.get(ref).view()

    @api.post("/orders/{ref}/release", status_code=202)
    async def release(ref: str, to: Destination) -> dict[str, Any]:
        return orders.release(ref, to).view()

    @api.post("/orders/{ref}/stop", status_code=202)
    async def stop(ref: str) -> dict[str, Any]:
        return orders.stop(ref).view()

    @api.post("/orders/{ref}/redelivery", status_code=202)
    async def redeliver(ref: str, to: Redelivery) -> dict[str, Any]:
        return orders.redeliver(ref, to).view()

    @api.post("/orders/{ref}/remake", status_code=202)
    async def remake(ref: str) -> dict[str, Any]:
        return orders.remake(ref).view()

    return api
