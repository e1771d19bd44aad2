"""What partners' webhooks can say, and who proves that they are the partners' (SK-51)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.sparekey.webhooks.models import Scanned

Name = Annotated[str, Field(min_length=1, max_length=200)]
TrackingNumber = Annotated[str, Field(pattern=r"^[0-9A-Z-]{8,24}$")]


class Content(BaseModel):
    """The data of one message; what it says beyond what we know is left out."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class OfOrder(Content):
    order_ref: Name


class Checked(OfOrder):
    check_id: Name
    result: Literal["exists", "unknown"]


class NumberAsked(OfOrder):
    check_id: Name
    mailed_at: AwareDatetime


class NumberReplied(OfOrder):
    key_number: str = Field(max_length=64, repr=False)


class Ready(OfOrder):
    making: int = 1


class Dispatched(OfOrder):
    tracking_number: TrackingNumber
    carrier: Literal["post", "parcel"]
    making: int = 1
    occurred_at: AwareDatetime


class Returned(OfOrder):
    tracking_number: TrackingNumber
    returned_on: date


class Destroyed(OfOrder):
    destroyed_on: date


class Tracking(Content):
    tracking_number: TrackingNumber
    event_id: Name
    kind: Scanned
    occurred_at: AwareDatetime


class Message(BaseModel):
    """A partner's message, proved; `content` is nothing where its type is not known to us."""

    partner: str
    message_id: str
    type: str
    occurred_at: datetime
    content: Content | None


class WebhookReader(Protocol):
    def read(self, partner: str, headers: Mapping[str, str], body: bytes) -> Message:
        """Proves and reads a message.

        Raises:
            WebhookForged, WebhookStale, WebhookMalformed: it is not the partner's, not of now, or not signed.
            WebhookUnreadable: signed, and not what the partner's contract says.
        """
