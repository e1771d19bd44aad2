"""Every page, by its path: where mails, letters and partners lead people (PO-11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Page:
    """One page: its words are the texts `page-<name>-title` and `page-<name>-lead`.

    Attributes:
        shows: how the order of its path stands; or that, after its payer came back from the partner's page.
    """

    path: str
    name: str
    shows: Literal["nothing", "order", "payer"] = "nothing"


PAGES = (
    Page("/orders/{order_id}", "order", "order"),
    Page("/orders/{order_id}/key-number", "key-number", "order"),
    Page("/orders/{order_id}/redelivery", "redelivery", "order"),
    Page("/orders/{order_id}/payment", "payment", "order"),
    Page("/orders/{order_id}/delivery-date", "delivery-date", "order"),
    Page("/orders/{order_id}/payer-returned", "payer-returned", "payer"),
    Page("/rooms", "rooms"),
    Page("/rooms/members", "room-members"),
    Page("/rooms/register", "room-register"),
    Page("/account/security", "security"),
    Page("/points", "points"),
    Page("/sign-in", "sign-in"),
    Page("/help", "help"),
)
