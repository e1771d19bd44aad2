"""A mail server that takes everything, unless it was told to misbehave."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.sms import Inbox, Message
from deploy.sandbox.world import World, token

_TAKEN = "250 OK"


class MailFaults(BaseModel):
    """What befalls mail, to one address or to all, for so many mails or until it is changed."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["accept", "bounce", "temporary", "drop"] = "accept"
    to: str | None = None
    times: int | None = Field(default=None, ge=1)


def mail_faults(world: World) -> MailFaults:
    return MailFaults.model_validate(world.store.knob("faults smtp") or {})


def set_mail_faults(world: World, faults: MailFaults) -> None:
    world.store.turn("faults smtp", faults.model_dump())


class Mailbox:
    """Hooks of the mail server."""

    def __init__(self, world: World, inbox: Inbox) -> None:
        self._world = world
        self._inbox = inbox

    async def handle_RCPT(  # noqa: N802 - the server calls it by this name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        async with self._world.store.transaction():
            if self._strikes("bounce", [address]):
                return "550 5.1.1 no such mailbox"
            if self._strikes("temporary", [address]):
                return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return _TAKEN

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        async with self._world.store.transaction():
            for to in envelope.rcpt_tos:
                self._inbox.take(self._read(content, envelope.mail_from or "", to))
            cut = self._strikes("drop", envelope.rcpt_tos)
        if cut and server.transport is not None:
            server.transport.close()
            # The server knows no other way to fall silent in the middle of a command.
            raise asyncio.CancelledError
        return _TAKEN

    def _strikes(self, mode: str, recipients: list[str]) -> bool:
        faults = mail_faults(self._world)
        if faults.mode != mode or (faults.to and faults.to not in recipients):
            return False
        if faults.times:
            left = faults.times - 1
            set_mail_faults(self._world, faults.model_copy(update={"times": left}) if left else MailFaults())
        return True

    def _read(self, content: bytes, sender: str, to: str) -> Message:
        mail = message_from_bytes(content, EmailMessage, policy=policy.default)
        return Message(
            id=token("msg"),
            channel="mail",
            to=to,
            sender=sender,
            subject=str(mail["subject"] or ""),
            text=_body(mail, "plain"),
            html=_body(mail, "html"),
            headers=[(name, str(value)) for name, value in mail.items()],
            message_id=str(mail["message-id"] or token("without-id")),
            received_at=self._world.now(),
        )


def _body(mail: EmailMessage, kind: str) -> str:
    part: Any = mail.get_body((kind,))
    return str(part.get_content()) if part else ""


async def serve(mailbox: Mailbox, host: str, port: int) -> asyncio.Server:
    """Listens; the caller closes it."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: SMTP(mailbox, hostname="sandbox", ident="mail", enable_SMTPUTF8=True, loop=loop), host, port
    )
