"""The post (registered mail) and the parcel carrier (collect): parcels and their scans."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from deploy.sandbox.rest import Refused
from deploy.sandbox.store import Thing
from deploy.sandbox.world import World, iso, token

Carrier = Literal["post", "parcel"]
Kind = Literal[
    "accepted",
    "out_for_delivery",
    "absent",
    "held",
    "handed_over",
    "returned",
    "redirected",
    "refused",
    "lost",
    "collected",
]
PARTNER: dict[Carrier, str] = {"post": "post", "parcel": "carrier"}
_DIGITS: dict[Carrier, int] = {"post": 11, "parcel": 12}


class Scan(BaseModel):
    event_id: str
    kind: Kind
    occurred_at: datetime


class Destination(BaseModel):
    """Where a key goes: said with each order, release and redelivery, and handed to the carrier with the parcel."""

    model_config = ConfigDict(extra="forbid")

    recipient: dict[str, str]
    address: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _named(self) -> Destination:
        if not self.recipient.get("name"):
            raise ValueError("recipient.name is missing")
        return self

    @property
    def destination(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Destination.model_fields}

    def go_to(self, there: Destination) -> None:
        for name, value in there.destination.items():
            setattr(self, name, value)


class Parcel(Destination, Thing):
    KIND: ClassVar[str] = "parcel"

    tracking_number: str
    carrier: Carrier
    order_ref: str
    charge_yen: int
    events: list[Scan] = Field(default_factory=list)

    def key(self) -> str:
        return self.tracking_number

    def marks(self) -> dict[str, str]:
        return {"order_ref": self.order_ref}

    @property
    def state(self) -> str:
        return self.events[-1].kind if self.events else "announced"

    def view(self) -> dict[str, Any]:
        """What anybody sees who knows the tracking number."""
        seen = self.model_dump(include={"tracking_number", "carrier", "charge_yen"})
        events = [{**e.model_dump(), "occurred_at": iso(e.occurred_at)} for e in self.events]
        return {**seen, "state": self.state, "events": events}


class Parcels:
    def __init__(self, world: World) -> None:
        self._world = world
        self.on_returned: Callable[[Parcel, datetime], None] = lambda _parcel, _at: None
        for partner in PARTNER.values():
            world.jobs[f"{partner}.hand_over"] = self._hand_over

    def take(self, carrier: Carrier, order_ref: str, to: Destination, charge: int) -> Parcel:
        """A parcel is handed to the carrier."""
        number = "".join(secrets.choice("0123456789") for _ in range(_DIGITS[carrier]))
        parcel = Parcel(
            tracking_number=number,
            carrier=carrier,
            order_ref=order_ref,
            charge_yen=charge,
            **to.destination,
        )
        self._scan(parcel, "accepted", self._world.now())
        self._world.soon(f"{PARTNER[carrier]}.hand_over", number)
        return parcel

    def get(self, number: str) -> Parcel:
        return self._world.need(Parcel, number)

    def record(self, number: str, kind: Kind, occurred_at: datetime | None = None) -> Parcel:
        """A scan, now or at another time; what came back is told to its sender."""
        parcel = self.get(number)
        at = occurred_at or self._world.now()
        if kind == "collected" and not parcel.charge_yen:
            raise Refused(409, "nothing_to_collect", "only a parcel with a charge collects money")
        self._scan(parcel, kind, at)
        if kind == "returned":
            self.on_returned(parcel, at)
        return parcel

    def _scan(self, parcel: Parcel, kind: Kind, at: datetime) -> None:
        scan = Scan(event_id=token("scan"), kind=kind, occurred_at=at)
        parcel.events.append(scan)
        self._world.store.put(parcel)
        data: dict[str, Any] = {
            "tracking_number": parcel.tracking_number,
            "event_id": scan.event_id,
            "kind": kind,
            "occurred_at": iso(at),
        }
        if kind == "collected":
            data["amount_yen"] = parcel.charge_yen
        self._world.announce(PARTNER[parcel.carrier], "tracking", data, at)

    def _hand_over(self, number: str) -> None:
        parcel = self._world.store.get(Parcel, number)
        if parcel is None or parcel.state != "accepted":
            return
        if parcel.charge_yen:
            self.record(number, "collected")
        self.record(number, "handed_over")


def routes(parcels: Parcels, carrier: Carrier) -> APIRouter:
    api = APIRouter()

    @api.get("/parcels/{number}")
    async def read_parcel(number: str) -> dict[str, Any]:
        parcel = parcels.get(number)
        if parcel.carrier != carrier:
            raise Refused(404, "not_found", "no parcel of this number")
        return parcel.view()

    return api
