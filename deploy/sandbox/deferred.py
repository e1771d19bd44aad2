"""The deferred-payment provider: checks the buyer, invoices after the goods, reports what was paid."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.rest import Refused
from deploy.sandbox.store import Thing
from deploy.sandbox.world import World, iso, token

LIMIT_YEN = 55_000
CHARGE_YEN = 297
MOST_CHARGES = 3
DUE = timedelta(days=14)

Result = Literal["ok", "hold", "refused"]
State = Literal["accepted", "reviewing", "refused", "cancelled", "invoiced", "overdue", "paid"]
_STATE_AFTER: dict[str, State] = {"ok": "accepted", "hold": "reviewing", "refused": "refused"}
_SETTLED = ("refused", "cancelled")


class NewTransaction(BaseModel):
    model_config = ConfigDict(extra="forbid")

    merchant_ref: str = Field(min_length=1, max_length=200)
    amount: int = Field(gt=0)
    buyer: dict[str, str]
    delivery: dict[str, str] = Field(min_length=1)
    invoice_to: Literal["delivery", "buyer"]


class NewAmount(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount: int = Field(gt=0)


class Shipment(BaseModel):
    model_config = ConfigDict(extra="forbid")

    on: date | None = None


class Invoice(BaseModel):
    number: str
    issued_on: date
    due_on: date
    charges: int = 0
    times_overdue: int = 0
    paid: int = 0


class Transaction(Thing):
    KIND: ClassVar[str] = "transaction"

    id: str
    merchant_ref: str
    amount: int
    buyer: dict[str, str]
    delivery: dict[str, str]
    invoice_to: str
    result: Result
    reason: str | None
    state: State
    invoice: Invoice | None = None
    created_at: datetime

    def key(self) -> str:
        return self.id

    def marks(self) -> dict[str, str]:
        return {"merchant_ref": self.merchant_ref}

    @property
    def owed(self) -> int:
        return self.amount + (self.invoice.charges if self.invoice else 0)

    def view(self) -> dict[str, Any]:
        seen = self.model_dump(mode="json", include={"id", "merchant_ref", "amount", "result", "reason", "state"})
        invoice = self.invoice.model_dump(mode="json", exclude={"times_overdue"}) if self.invoice else None
        if invoice:
            invoice["owed"] = self.owed
        return {**seen, "invoice": invoice, "created_at": iso(self.created_at)}


class Deferred:
    def __init__(self, world: World) -> None:
        self._world = world

    def open(self, new: NewTransaction) -> Transaction:
        result, reason = self._judge(new)
        opened = Transaction(
            **new.model_dump(),
            id=token("dft"),
            result=result,
            reason=reason,
            state=_STATE_AFTER[result],
            created_at=self._world.now(),
        )
        return self._kept(opened)

    def _judge(self, new: NewTransaction) -> tuple[Result, str | None]:
        if not new.buyer.get("name"):
            raise Refused(422, "invalid", "buyer.name is missing")
        if new.amount > LIMIT_YEN:
            return "refused", "limit"
        wanted = self._world.take_next("deferred")
        email = new.buyer.get("email", "")
        if wanted == "refused" or (wanted is None and email.startswith("refuse")):
            return "refused", "credit"
        if wanted == "hold" or (wanted is None and email.startswith("hold")):
            return "hold", "review"
        return "ok", None

    def get(self, key: str) -> Transaction:
        return self._world.need(Transaction, key)

    def find(self, merchant_ref: str) -> list[Transaction]:
        return self._world.store.find(Transaction, {"merchant_ref": merchant_ref})

    def change_amount(self, key: str, amount: int) -> Transaction:
        it = self.get(key)
        if it.state in {"paid", *_SETTLED}:
            raise Refused(409, "wrong_state", f"the amount of what is {it.state} stays")
        if it.invoice and amount > it.amount:
            raise Refused(409, "amount_raised", "an invoice is only reduced")
        it.amount = amount
        return self._settled(it)

    def cancel(self, key: str) -> Transaction:
        it = self.get(key)
        if it.state == "paid":
            raise Refused(409, "already_paid", "the invoice is paid")
        if it.state not in _SETTLED:
            it.state = "cancelled"
        return self._kept(it)

    def ship(self, key: str, on: date | None) -> Transaction:
        it = self.get(key)
        if it.invoice is None:
            if it.state != "accepted":
                raise Refused(409, "wrong_state", f"nothing is shipped on what is {it.state}")
            issued = on or self._world.today()
            it.invoice = Invoice(number=token("inv")[4:14].upper(), issued_on=issued, due_on=issued + DUE)
            it.state = "invoiced"
            self._tell(
                it,
                "invoice_issued",
                invoice_number=it.invoice.number,
                issued_on=issued.isoformat(),
                due_on=it.invoice.due_on.isoformat(),
                amount=it.amount,
            )
        return self._kept(it)

    def review(self, key: str, result: Literal["ok", "refused"]) -> Transaction:
        """A hold ends."""
        it = self.get(key)
        if it.state != "reviewing":
            raise Refused(409, "wrong_state", f"what is {it.state} is not under review")
        it.result, it.state = result, _STATE_AFTER[result]
        it.reason = None if result == "ok" else "credit"
        self._tell(it, "review_finished", result=result)
        return self._kept(it)

    def pay(self, key: str, amount: int | None) -> Transaction:
        """Money arrives, in full unless an amount is given; also twice, and also for what was cancelled."""
        it = self.get(key)
        if it.invoice is None:
            raise Refused(409, "wrong_state", "there is no invoice to pay")
        paid = amount or max(it.owed - it.invoice.paid, 0) or it.owed
        it.invoice.paid += paid
        self._tell(
            it,
            "paid",
            paid_yen=paid,
            paid_total=it.invoice.paid,
            owed=it.owed,
            paid_at=iso(self._world.now()),
        )
        return self._settled(it)

    def overdue(self, key: str) -> Transaction:
        """The due date passed: the collection charge is added."""
        it = self.get(key)
        if it.invoice is None or it.state not in {"invoiced", "overdue"}:
            raise Refused(409, "wrong_state", f"what is {it.state} cannot be late")
        if it.invoice.times_overdue == MOST_CHARGES:
            raise Refused(409, "charged_enough", "the collection charge was added three times")
        it.invoice.times_overdue += 1
        it.invoice.charges += CHARGE_YEN
        it.state = "overdue"
        self._tell(
            it,
            "overdue",
            charge_yen=CHARGE_YEN,
            charges=it.invoice.charges,
            owed=it.owed,
            times=it.invoice.times_overdue,
        )
        return self._kept(it)

    def _settled(self, it: Transaction) -> Transaction:
        if it.invoice and it.state in {"invoiced", "overdue"} and it.invoice.paid >= it.owed:
            it.state = "paid"
        return self._kept(it)

    def _kept(self, it: Transaction) -> Transaction:
        self._world.store.put(it)
        return it

    def _tell(self, it: Transaction, kind: str, **data: Any) -> None:
        about = {"transaction_id": it.id, "merchant_ref": it.merchant_ref}
        self._world.announce("deferred", kind, {**about, **data})


def routes(deferred: Deferred) -> APIRouter:
    api = APIRouter()

    @api.post("/transactions", status_code=201)
    async def open_transaction(new: NewTransaction) -> dict[str, Any]:
        return deferred.open(new).view()

    @api.get("/transactions")
    async def find_transactions(merchant_ref: str) -> dict[str, Any]:
        return {"transactions": [it.view() for it in deferred.find(merchant_ref)]}

    @api.get("/transactions/{key}")
    async def read_transaction(key: str) -> dict[str, Any]:
        return deferred.get(key).view()

    @api.patch("/transactions/{key}")
    async def change_amount(key: str, new: NewAmount) -> dict[str, Any]:
        return deferred.change_amount(key, new.amount).view()

    @api.post("/transactions/{key}/cancel")
    async def cancel(key: str) -> dict[str, Any]:
        return deferred.cancel(key).view()

    @api.post("/transactions/{key}/shipment")
    async def ship(key: str, shipment: Shipment) -> dict[str, Any]:
        return deferred.ship(key, shipment.on).view()

    return api
