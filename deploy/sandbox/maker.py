"""The key maker: checks numbers, cuts keys, lets them go only when told, takes back what returns."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from deploy.sandbox.parcels import Carrier, Destination, Parcel, Parcels
from deploy.sandbox.rest import Refused
from deploy.sandbox.store import Thing
from deploy.sandbox.world import World, iso, japanese_day, token

Kind = Literal["normal", "ic"]
Result = Literal["exists", "unknown"]
_NEVER = "0000"


def _key_number(value: str) -> str:
    if not re.fullmatch(r"[0-9A-Z]{8}", value):
        raise ValueError("eight letters or digits are engraved on a key")
    return value


KeyNumber = Annotated[str, AfterValidator(_key_number)]
Ref = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/]+$")]


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCheck(Input):
    order_ref: Ref
    key_number: KeyNumber
    kind: Kind


class NewOrder(Destination):
    order_ref: Ref
    key_number: KeyNumber
    kind: Kind
    quantity: int = Field(ge=1, le=100)
    building_code: str | None = None

    @model_validator(mode="after")
    def _programmed(self) -> NewOrder:
        if self.kind == "ic" and not self.building_code:
            raise ValueError("building_code is missing: an IC key is programmed for a building")
        return self


class Redelivery(Destination):
    charge_yen: int = Field(gt=0)


class Check(Thing):
    KIND: ClassVar[str] = "check"

    check_id: str
    order_ref: str
    key_number: str
    kind: Kind
    result: Result | None = None
    created_at: datetime

    def key(self) -> str:
        return self.check_id

    def marks(self) -> dict[str, str]:
        return {"order_ref": self.order_ref}

    def view(self) -> dict[str, Any]:
        seen = self.model_dump(exclude={"key_number", "created_at"})
        state = "answered" if self.result else "waiting"
        return {**seen, "state": state, "created_at": iso(self.created_at)}


class Order(Destination, Thing):
    KIND: ClassVar[str] = "order"

    order_ref: str
    key_number: str
    kind: Kind
    quantity: int
    building_code: str | None
    state: Literal["making", "ready", "dispatched", "returned", "redelivering", "stopped", "destroyed"] = "making"
    making: int = 1
    cut: bool = False
    released: bool = False
    leaves_by: Carrier | None = None
    charge_yen: int = 0
    tracking: list[dict[str, str]] = Field(default_factory=list)
    returned_on: date | None = None
    created_at: datetime

    def key(self) -> str:
        return self.order_ref

    def marks(self) -> dict[str, str]:
        return {"tracking_number": self.tracking[-1]["tracking_number"]} if self.tracking else {}

    def view(self) -> dict[str, Any]:
        seen = self.model_dump(mode="json", exclude={"key_number", "leaves_by", "charge_yen", "created_at"})
        return {**seen, "created_at": iso(self.created_at)}

    def allow(self, verb: str, *states: str) -> None:
        if self.state not in states:
            raise Refused(409, "wrong_state", f"{verb} is not possible: the order is {self.state}")


class Checks:
    """Which key numbers exist, and what the customer is asked when one does not."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.jobs["maker.check"] = self._answer_by_itself

    def open(self, new: NewCheck) -> Check:
        check = Check(**new.model_dump(), check_id=token("chk"), created_at=self._world.now())
        self._world.store.put(check)
        self._world.soon("maker.check", check.check_id)
        return check

    def get(self, check_id: str) -> Check:
        return self._world.need(Check, check_id)

    def find(self, order_ref: str) -> list[Check]:
        return self._world.store.find(Check, {"order_ref": order_ref})

    def unknown_numbers(self) -> list[str]:
        return list(self._world.store.knob("unknown numbers") or [])

    def exists(self, number: str) -> bool:
        return _NEVER not in number and number not in self.unknown_numbers()

    def answer(self, check_id: str, result: Result) -> Check:
        check = self.get(check_id)
        if check.result:
            raise Refused(409, "wrong_state", "the check is answered")
        check.result = result
        self._world.store.put(check)
        about = {"order_ref": check.order_ref, "check_id": check_id}
        self._world.announce("maker", "checked", {**about, "result": result})
        if result == "unknown":
            self._world.announce("maker", "number_asked", {**about, "mailed_at": iso(self._world.now())})
        return check

    def customer_replied(self, order_ref: str, key_number: str) -> None:
        """The customer answered the maker's mail."""
        self._world.announce("maker", "number_replied", {"order_ref": order_ref, "key_number": key_number})

    def _answer_by_itself(self, check_id: str) -> None:
        check = self._world.store.get(Check, check_id)
        if check and check.result is None:
            self.answer(check_id, "exists" if self.exists(check.key_number) else "unknown")


class Orders:
    """From the cutting of a key to its leaving, and what comes back."""

    def __init__(self, world: World, checks: Checks, parcels: Parcels) -> None:
        self._world = world
        self._checks = checks
        self._parcels = parcels
        parcels.on_returned = self._take_back
        world.jobs["maker.ready"] = self._ready_by_itself
        world.jobs["maker.dispatch"] = self._dispatch_by_itself

    def open(self, new: NewOrder) -> Order:
        if self._world.store.get(Order, new.order_ref):
            raise Refused(409, "order_exists", "there is an order of this reference")
        if not self._checks.exists(new.key_number):
            raise Refused(422, "unknown_key_number", "no key carries this number")
        order = Order(**new.model_dump(), created_at=self._world.now())
        self._world.soon("maker.ready", order.order_ref)
        return self._kept(order)

    def get(self, ref: str) -> Order:
        return self._world.need(Order, ref)

    def ready(self, ref: str) -> Order:
        order = self.get(ref)
        order.allow("cutting", "making")
        order.state, order.cut = "ready", True
        self._world.announce("maker", "ready", {"order_ref": ref, "making": order.making})
        return self._leaving(order)

    def release(self, ref: str, to: Destination) -> Order:
        order = self.get(ref)
        order.allow("release", "making", "ready", *(["stopped"] if order.cut else []))
        order.go_to(to)
        order.released = True
        if order.state == "stopped":
            order.state = "ready"
        return self._leaving(order)

    def stop(self, ref: str) -> Order:
        order = self.get(ref)
        if order.state in {"dispatched", "redelivering"} and order.leaves_by is None:
            raise Refused(409, "already_dispatched", "the key is on its way")
        order.allow("stop", "making", "ready", "stopped", "redelivering")
        order.state = "returned" if order.state == "redelivering" else "stopped"
        order.released, order.leaves_by = False, None
        return self._kept(order)

    def redeliver(self, ref: str, to: Redelivery) -> Order:
        order = self.get(ref)
        order.allow("redelivery", "returned")
        order.go_to(to)
        order.state, order.leaves_by, order.charge_yen = "redelivering", "parcel", to.charge_yen
        self._world.soon("maker.dispatch", ref)
        return self._kept(order)

    def remake(self, ref: str) -> Order:
        order = self.get(ref)
        order.allow("remaking", "dispatched", "returned", "redelivering", "stopped", "destroyed")
        order.state, order.making = "making", order.making + 1
        order.cut = order.released = False
        order.leaves_by, order.returned_on = None, None
        self._world.soon("maker.ready", ref)
        return self._kept(order)

    def dispatch(self, ref: str) -> Order:
        """Hands the key to the carrier: only what was released leaves."""
        order = self.get(ref)
        if order.leaves_by is None:
            raise Refused(409, "wrong_state", f"nothing may leave: the order is {order.state}")
        by = order.leaves_by
        charge = order.charge_yen if by == "parcel" else 0
        parcel = self._parcels.take(by, ref, order, charge)
        sent = {"tracking_number": parcel.tracking_number, "carrier": by}
        order.tracking.append(sent)
        order.leaves_by, order.returned_on = None, None
        if by == "post":
            order.state = "dispatched"
        self._world.announce("maker", "dispatched", {"order_ref": ref, **sent, "making": order.making})
        return self._kept(order)

    def destroy(self, ref: str) -> Order:
        order = self.get(ref)
        order.allow("destroying", "ready", "returned", "stopped", *(["redelivering"] if order.leaves_by else []))
        order.state, order.leaves_by = "destroyed", None
        day = self._world.today().isoformat()
        self._world.announce("maker", "destroyed", {"order_ref": ref, "destroyed_on": day})
        return self._kept(order)

    def _leaving(self, order: Order) -> Order:
        if order.state == "ready" and order.released and order.leaves_by is None:
            order.leaves_by = "post"
            self._world.soon("maker.dispatch", order.order_ref)
        return self._kept(order)

    def _take_back(self, parcel: Parcel, at: datetime) -> None:
        order = self.get(parcel.order_ref)
        day = japanese_day(at)
        data = {"order_ref": order.order_ref, "tracking_number": parcel.tracking_number}
        self._world.announce("maker", "returned", {**data, "returned_on": day.isoformat()})
        latest = order.marks().get("tracking_number") == parcel.tracking_number
        if latest and order.state in {"dispatched", "redelivering"}:
            order.state, order.returned_on = "returned", day
            self._kept(order)

    def _ready_by_itself(self, ref: str) -> None:
        order = self._world.store.get(Order, ref)
        if order and order.state == "making":
            self.ready(ref)

    def _dispatch_by_itself(self, ref: str) -> None:
        order = self._world.store.get(Order, ref)
        if order and order.leaves_by:
            self.dispatch(ref)

    def _kept(self, order: Order) -> Order:
        self._world.store.put(order)
        return order
