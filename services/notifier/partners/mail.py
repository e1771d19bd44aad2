"""Mail over SMTP: what was taken, what never will be, and what must be sent again."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage

import aiosmtplib

from services.notifier.ports import NotNow, Refused

_PERMANENT = 500  # and above: the relay will never take it; 4xx may pass


class Smtp:
    """Hands mails to the company's relay, each over a connection of its own.

    Args:
        host, port: of the relay.
        hello: how we call ourselves: the sending domain.
        patience: for each answer of the relay.
    """

    def __init__(self, host: str, port: int, hello: str, patience: timedelta) -> None:
        self._host = host
        self._port = port
        self._hello = hello
        self._patience = patience.total_seconds()

    async def send(self, mail: EmailMessage) -> None:
        try:
            await aiosmtplib.send(
                mail, hostname=self._host, port=self._port, local_hostname=self._hello, timeout=self._patience
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            raise _verdict(refused.recipients[0].code) from None
        except aiosmtplib.SMTPDataError as refused:
            raise _verdict(refused.code) from None
        except aiosmtplib.SMTPResponseException as refused:
            # To do with us and not with the address: greeting, sender, encryption.
            raise NotNow(f"smtp-{refused.code}") from None
        except (aiosmtplib.SMTPException, OSError):
            raise NotNow("smtp-silent") from None


def _verdict(code: int) -> Refused | NotNow:
    return Refused(f"smtp-{code}") if code >= _PERMANENT else NotNow(f"smtp-{code}")
