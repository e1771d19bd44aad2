"""The redirect wallet: a person signs in at its page and says yes or no."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from deploy.sandbox.pages.forms import web_address
from deploy.sandbox.rest import Refused
from deploy.sandbox.store import Thing
from deploy.sandbox.world import World, iso, token

OPEN_FOR = timedelta(minutes=30)
Decision = Literal["approved", "declined"]


class NewPayment(BaseModel):
    model_config = ConfigDict(extra="forbid")

    merchant_ref: str = Field(min_length=1, max_length=200)
    amount: int = Field(gt=0)
    return_url: Annotated[str, AfterValidator(web_address)]


class Part(BaseModel):
    """How much of it; all when nothing is said."""

    model_config = ConfigDict(extra="forbid")

    amount: int | None = Field(default=None, gt=0)


class Refund(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount: int = Field(gt=0)


class Payment(Thing):
    KIND: ClassVar[str] = "payment"

    id: str
    merchant_ref: str
    amount: int
    return_url: str
    state: Literal["open", "approved", "declined", "expired", "captured", "voided"] = "open"
    captured: int = 0
    refunded: int = 0
    redirect_url: str
    expires_at: datetime
    created_at: datetime

    def key(self) -> str:
        return self.id

    def marks(self) -> dict[str, str]:
        return {"merchant_ref": self.merchant_ref}

    def view(self) -> dict[str, Any]:
        seen = self.model_dump(mode="json", exclude={"return_url"})
        return {**seen, "expires_at": iso(self.expires_at), "created_at": iso(self.created_at)}


class Epos:
    def __init__(self, world: World) -> None:
        self._world = world
        world.jobs["epos.expire"] = self._expire

    def open(self, new: NewPayment, pages: str) -> Payment:
        """Opens a payment; `pages` is the address below which people find its page."""
        key, now = token("eps"), self._world.now()
        opened = Payment(
            **new.model_dump(),
            id=key,
            redirect_url=f"{pages}/{key}",
            expires_at=now + OPEN_FOR,
            created_at=now,
        )
        self._world.at("epos.expire", key, opened.expires_at)
        return self._kept(opened)

    def get(self, key: str) -> Payment:
        return self._world.need(Payment, key)

    def find(self, merchant_ref: str) -> list[Payment]:
        return self._world.store.find(Payment, {"merchant_ref": merchant_ref})

    def decide(self, key: str, result: Decision) -> Payment:
        it = self._in_state(key, "open")
        it.state = result
        return self._decided(it)

    def capture(self, key: str, amount: int | None) -> Payment:
        it = self._in_state(key, "approved")
        it.captured = amount or it.amount
        if it.captured > it.amount:
            raise Refused(409, "amount_too_large", "more than was approved")
        it.state = "captured"
        return self._kept(it)

    def void(self, key: str) -> Payment:
        it = self._in_state(key, "open", "approved", "voided")
        it.state = "voided"
        return self._kept(it)

    def refund(self, key: str, amount: int) -> Payment:
        it = self._in_state(key, "captured")
        it.refunded += amount
        if it.refunded > it.captured:
            raise Refused(409, "amount_too_large", "more than was captured")
        return self._kept(it)

    def _expire(self, key: str) -> None:
        it = self._world.store.get(Payment, key)
        if it and it.state == "open":
            it.state = "expired"
            self._decided(it)

    def _in_state(self, key: str, *states: str) -> Payment:
        it = self.get(key)
        if it.state not in states:
            raise Refused(409, "wrong_state", f"the payment is {it.state}")
        return it

    def _decided(self, it: Payment) -> Payment:
        data = {"payment_id": it.id, "merchant_ref": it.merchant_ref, "result": it.state}
        self._world.announce("epos", "payment_decided", data)
        return self._kept(it)

    def _kept(self, it: Payment) -> Payment:
        self._world.store.put(it)
        return it


def routes(epos: Epos) -> APIRouter:
    api = APIRouter()

    @api.post("/payments", status_code=201)
    async def open_payment(new: NewPayment, request: Request) -> dict[str, Any]:
        return epos.open(new, f"{request.base_url}epos/pages").view()

    @api.get("/payments")
    async def find_payments(merchant_ref: str) -> dict[str, Any]:
        return {"payments": [it.view() for it in epos.find(merchant_ref)]}

    @api.get("/payments/{key}")
    async def read_payment(key: str) -> dict[str, Any]:
        return epos.get(key).view()

    @api.post("/payments/{key}/capture")
    async def capture(key: str, part: Part) -> dict[str, Any]:
        return epos.capture(key, part.amount).view()

    @api.post("/payments/{key}/void")
    async def void(key: str) -> dict[str, Any]:
        return epos.void(key).view()

    @api.post("/payments/{key}/refund")
    async def refund(key: str, part: Refund) -> dict[str, Any]:
        return epos.refund(key, part.amount).view()

    return api
