"""Signatures of webhooks: who sent this, is it whole, and is it of now (SK-51, QA-06)."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from services.chassis.clock import Clock
from services.chassis.errors import Kind, RuumError

TOLERANCE = timedelta(minutes=5)
# No dots: or else the places where id, timestamp and body part could be moved under the same signature.
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,11}")


class WebhookForged(RuumError):
    """No signature on it was made with one of our secrets over this body."""

    kind = Kind.UNAUTHENTICATED
    code = "webhook-forged"


class WebhookStale(RuumError):
    """Truly signed, and more than five minutes away from our clock: perhaps a recording."""

    kind = Kind.UNAUTHENTICATED
    code = "webhook-stale"


class WebhookMalformed(RuumError):
    """The headers of a signature are missing or not as the scheme writes them; `field` names the header."""

    kind = Kind.INVALID
    code = "webhook-malformed"


class _Signatures:
    """Several secrets are held while one replaces another; the first one signs."""

    def __init__(self, secrets: Sequence[str], clock: Clock) -> None:
        if not secrets or not all(secrets):
            raise ValueError("a webhook needs a secret")
        self._secrets = [secret.encode() for secret in secrets]
        self._clock = clock

    def _digest(self, content: bytes) -> bytes:
        return hmac.digest(self._secrets[0], content, "sha256")

    def _timestamp(self) -> str:
        return str(int(self._clock.now().timestamp()))

    def _check(self, timestamp: str, content: bytes, signatures: Iterable[bytes], field: str) -> None:
        if not _TIMESTAMP.fullmatch(timestamp):
            raise WebhookMalformed(field=field)
        expected = [hmac.digest(secret, content, "sha256") for secret in self._secrets]
        # Every pair is compared, in constant time, so that neither place nor prefix shows in the time taken.
        if not sum(hmac.compare_digest(given, digest) for given in signatures for digest in expected):
            raise WebhookForged
        sent = datetime.fromtimestamp(int(timestamp), UTC)
        if abs(self._clock.now() - sent) > TOLERANCE:
            raise WebhookStale


class StandardWebhooks(_Signatures):
    """The Standard Webhooks scheme: HMAC-SHA256 over `id.timestamp.body`, in three `webhook-…` headers."""

    def sign(self, message_id: str, body: bytes) -> dict[str, str]:
        """The headers of a message; a repeat keeps its id and is signed anew."""
        timestamp = self._timestamp()
        digest = self._digest(_standard_content(message_id, timestamp, body))
        return {
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }

    def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """The message's id, by which repeats are known; header names are lower-case.

        Raises:
            WebhookMalformed: a header is missing or not written as the scheme says.
            WebhookForged: no signature holds.
            WebhookStale: signed more than five minutes ago or ahead, by our clock.
        """
        message_id, timestamp, signatures = (
            _header(headers, name) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        )
        if not _MESSAGE_ID.fullmatch(message_id):
            raise WebhookMalformed(field="webhook-id")
        given = [
            _decoded(value, base64.b64decode, "webhook-signature")
            for scheme, _, value in (part.partition(",") for part in signatures.split(" "))
            if scheme == "v1"
        ]
        content = _standard_content(message_id, timestamp, body)
        self._check(timestamp, content, given, field="webhook-timestamp")
        return message_id


class StripeWebhooks(_Signatures):
    """Stripe's scheme: HMAC-SHA256 in hex over `timestamp.body`, in one `Stripe-Signature` header (ST-21).

    The processor's SDK measures age by the machine's time; ours goes by the clock that can be moved (PR-05).
    """

    def sign(self, body: bytes) -> dict[str, str]:
        timestamp = self._timestamp()
        return {"stripe-signature": f"t={timestamp},v1={self._digest(_stripe_content(timestamp, body)).hex()}"}

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Returns when the body is the processor's; the event's own id tells repeats.

        Raises:
            WebhookMalformed: the header is missing or not written as the scheme says.
            WebhookForged: no signature holds.
            WebhookStale: signed more than five minutes ago or ahead, by our clock.
        """
        parts = [part.partition("=") for part in _header(headers, "stripe-signature").split(",")]
        timestamps = [value for name, _, value in parts if name == "t"]
        if len(timestamps) != 1:
            raise WebhookMalformed(field="stripe-signature")
        given = [_decoded(value, bytes.fromhex, "stripe-signature") for name, _, value in parts if name == "v1"]
        content = _stripe_content(timestamps[0], body)
        self._check(timestamps[0], content, given, field="stripe-signature")


def _standard_content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _stripe_content(timestamp: str, body: bytes) -> bytes:
    return f"{timestamp}.".encode() + body


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise WebhookMalformed(field=name)
    return value


def _decoded(value: str, decode: Callable[[str], bytes], field: str) -> bytes:
    try:
        return decode(value)
    except ValueError:
        raise WebhookMalformed(field=field) from None
