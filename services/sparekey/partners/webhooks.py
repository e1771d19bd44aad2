"""Webhooks of the key maker, the post and the parcel carrier: proved, then read (SK-51)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from services.chassis.clock import Clock
from services.chassis.errors import InvalidField, Kind, RuumError, Violation
from services.chassis.webhooks import StandardWebhooks
from services.sparekey.webhooks import ports
from services.sparekey.webhooks.ports import Content, Message

MAKER, POST, CARRIER = "maker", "post", "carrier"

_TYPES: Mapping[tuple[str, str], type[Content]] = {
    (MAKER, "checked"): ports.Checked,
    (MAKER, "number_asked"): ports.NumberAsked,
    (MAKER, "number_replied"): ports.NumberReplied,
    (MAKER, "ready"): ports.Ready,
    (MAKER, "dispatched"): ports.Dispatched,
    (MAKER, "returned"): ports.Returned,
    (MAKER, "destroyed"): ports.Destroyed,
    (POST, "tracking"): ports.Tracking,
    (CARRIER, "tracking"): ports.Tracking,
}


class WebhookUnreadable(RuumError):
    """Truly the partner's, but not as its contract says; `field` names what is wrong."""

    kind = Kind.INVALID
    code = "webhook-unreadable"


class _Envelope(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    id: str = Field(min_length=1, max_length=255)
    type: str = Field(min_length=1, max_length=64)
    occurred_at: AwareDatetime
    data: dict[str, JsonValue]


class SignedWebhooks:
    """The webhooks of all partners, each signed with a secret of its own."""

    def __init__(self, secrets: Mapping[str, str], clock: Clock) -> None:
        self._signatures = {partner: StandardWebhooks([secret], clock) for partner, secret in secrets.items()}

    def read(self, partner: str, headers: Mapping[str, str], body: bytes) -> Message:
        signatures = self._signatures.get(partner)
        if signatures is None:
            raise InvalidField(field="partner", violations=[Violation("partner", "webhook-partner-unknown", {})])
        message_id = signatures.verify({name.lower(): value for name, value in headers.items()}, body)
        try:
            envelope = _Envelope.model_validate_json(body)
            kind = _TYPES.get((partner, envelope.type))
            content = kind.model_validate({"occurred_at": envelope.occurred_at} | envelope.data) if kind else None
        except ValidationError as wrong:
            place = wrong.errors(include_input=False, include_url=False)[0]["loc"]
            raise WebhookUnreadable(field=".".join(map(str, place))) from None
        if envelope.id != message_id:
            raise WebhookUnreadable(field="id")
        return Message(
            partner=partner,
            message_id=message_id,
            type=envelope.type,
            occurred_at=envelope.occurred_at,
            content=content,
        )
