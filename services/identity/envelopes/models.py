"""A message that waits to be sent: its address and code are read by the notifier and by nobody else."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import CheckConstraint

from services.chassis.columns import instant, text
from services.chassis.sealing import Sealed
from services.identity.models import Channel, Language, Table

Message = Literal["sign-up", "sign-up-existing", "new-device"]
"""What is said: `sign-up-existing` tells the owner of an address that it has an account, as no screen does (ID-06)."""


class Letter(BaseModel):
    """What stands in an envelope."""

    model_config = ConfigDict(frozen=True)

    channel: Channel
    address: str = Field(repr=False)
    language: Language
    message: Message
    code: str = Field(repr=False)
    sequence: int
    expires_at: datetime


class Envelope(Table, table=True):
    """A sealed letter. Once its wrapped key is gone nobody can open it, not even with the tables of a backup."""

    __tablename__ = "envelopes"
    __table_args__ = (
        CheckConstraint("(wrapped_key is null) = (destroyed_at is not null)", "envelopes_destroyed"),
        CheckConstraint("(ciphertext is null) = (destroyed_at is not null)", "envelopes_emptied"),
    )

    id: str = text(primary_key=True)
    flow_id: str = text(index=True)
    key_id: str = text()
    wrapped_key: bytes | None
    nonce: bytes
    ciphertext: bytes | None
    expires_at: datetime = instant(index=True)
    destroyed_at: datetime | None = instant(default=None)

    def sealed(self, now: datetime) -> Sealed | None:
        """What can be opened; None when it was destroyed or its code has expired."""
        if self.wrapped_key is None or self.ciphertext is None or now >= self.expires_at:
            return None
        return Sealed(self.key_id, self.wrapped_key, self.nonce, self.ciphertext)
