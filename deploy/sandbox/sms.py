"""The SMS provider, and the inbox in which every message, also every mail, is found."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.rest import Refused
from deploy.sandbox.store import Thing
from deploy.sandbox.world import World, iso, token


class NewMessage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    to: str = Field(pattern=r"^\+?[0-9-]{8,20}$")
    text: str = Field(min_length=1, max_length=2000)
    reference: str = Field(min_length=1, max_length=200)


class Message(Thing):
    """One mail or SMS to one recipient; `message_id` is the mail's, or the sender's reference of an SMS."""

    KIND: ClassVar[str] = "message"

    id: str
    channel: Literal["mail", "sms"]
    to: str
    sender: str = ""
    subject: str = ""
    text: str
    html: str = ""
    headers: list[tuple[str, str]] = Field(default_factory=list)
    message_id: str
    copies: int = 1
    received_at: datetime

    def key(self) -> str:
        return self.id

    def marks(self) -> dict[str, str]:
        return {"message_id": self.message_id, "to": self.to, "channel": self.channel}

    def view(self) -> dict[str, Any]:
        return {**self.model_dump(mode="json"), "received_at": iso(self.received_at)}


class Inbox:
    def __init__(self, world: World) -> None:
        self._world = world

    def take(self, message: Message) -> None:
        """Keeps a mail; the same one once more is only counted."""
        known = {"message_id": message.message_id, "to": message.to, "channel": message.channel}
        kept = next(iter(self._world.store.find(Message, known)), None)
        if kept:
            message = kept.model_copy(update={"copies": kept.copies + 1})
        self._world.store.put(message)

    def send_sms(self, new: NewMessage) -> Message:
        known = {"message_id": new.reference, "channel": "sms"}
        kept = next(iter(self._world.store.find(Message, known)), None)
        if kept is None:
            kept = Message(
                id=token("sms"),
                channel="sms",
                to=new.to,
                text=new.text,
                message_id=new.reference,
                received_at=self._world.now(),
            )
            self._world.store.put(kept)
        if (kept.to, kept.text) != (new.to, new.text):
            raise Refused(422, "idempotency_key_reused", "another message has this reference")
        return kept


def routes(inbox: Inbox) -> APIRouter:
    api = APIRouter()

    @api.post("/messages", status_code=202)
    async def send(new: NewMessage) -> dict[str, Any]:
        sent = inbox.send_sms(new)
        return {"message_id": sent.id, "reference": new.reference, "state": "accepted"}

    return api
