from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe import WebhookSignature

from services.chassis.clock import FixedClock
from services.chassis.errors import RuumError
from services.chassis.webhooks import (
    StandardWebhooks,
    StripeWebhooks,
    WebhookForged,
    WebhookMalformed,
    WebhookStale,
)

NOW = datetime(2026, 7, 3, 9, 0, tzinfo=UTC)
BODY = b'{"id": "evt_1", "type": "checked"}'


class Scheme(Protocol):
    def __init__(self, secrets: list[str], clock: FixedClock) -> None: ...
    def sign(self, body: bytes) -> dict[str, str]: ...
    def verify(self, headers: Mapping[str, str], body: bytes) -> object: ...


class Standard:
    def __init__(self, secrets: list[str], clock: FixedClock) -> None:
        self._signatures = StandardWebhooks(secrets, clock)

    def sign(self, body: bytes) -> dict[str, str]:
        return self._signatures.sign("evt_1", body)

    def verify(self, headers: Mapping[str, str], body: bytes) -> object:
        return self._signatures.verify(headers, body)


SCHEMES = [Standard, StripeWebhooks]
both = pytest.mark.parametrize("scheme", SCHEMES, ids=["standard", "stripe"])


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@both
@given(body=st.binary(max_size=500))
def test_what_is_signed_with_the_secret_is_taken(scheme: type[Scheme], body: bytes) -> None:
    signatures = scheme(["s3cret"], FixedClock(NOW))

    signatures.verify(signatures.sign(body), body)


def test_the_standard_scheme_is_written_as_published(clock: FixedClock) -> None:
    headers = StandardWebhooks(["s3cret"], clock).sign("evt_1", BODY)

    content = b"evt_1." + str(int(NOW.timestamp())).encode() + b"." + BODY
    expected = base64.b64encode(hmac.new(b"s3cret", content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert StandardWebhooks(["s3cret"], clock).verify(headers, BODY) == "evt_1"


def test_the_processors_scheme_is_that_of_its_sdk() -> None:
    now = FixedClock(datetime.fromtimestamp(int(time.time()), UTC))
    ours = StripeWebhooks(["s3cret"], now)

    header = ours.sign(BODY)["stripe-signature"]

    assert WebhookSignature.verify_header(BODY, header, "s3cret", tolerance=300)
    theirs = WebhookSignature.generate_signature_header(BODY.decode(), "s3cret")
    ours.verify({"stripe-signature": theirs}, BODY)


@both
def test_a_forged_webhook_is_refused(scheme: type[Scheme], clock: FixedClock) -> None:
    ours, stranger = scheme(["s3cret"], clock), scheme(["guess"], clock)
    headers = ours.sign(BODY)

    with pytest.raises(WebhookForged):
        ours.verify(stranger.sign(BODY), BODY)
    with pytest.raises(WebhookForged):
        ours.verify(headers, BODY + b" ")
    with pytest.raises(WebhookForged):
        ours.verify({name: value.replace("v1", "v0") for name, value in headers.items()}, BODY)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp"])
def test_a_true_signature_does_not_carry_over_to_another_id_or_time(clock: FixedClock, header: str) -> None:
    ours = StandardWebhooks(["s3cret"], clock)
    headers = ours.sign("evt_1", BODY)
    other = {"webhook-id": "evt_2", "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}

    with pytest.raises(WebhookForged):
        ours.verify(headers | {header: other[header]}, BODY)


def test_the_parts_of_a_signed_content_cannot_be_cut_otherwise(clock: FixedClock) -> None:
    ours = StandardWebhooks(["s3cret"], clock)
    stamp = str(int(NOW.timestamp()))
    headers = ours.sign("evt_1", f"{stamp}.body".encode())

    with pytest.raises(WebhookMalformed):
        ours.verify(headers | {"webhook-id": f"evt_1.{stamp}"}, b"body")


@both
@pytest.mark.parametrize("sign", [-1, 1], ids=["old", "ahead"])
def test_a_webhook_more_than_five_minutes_away_is_stale_by_our_clock(scheme: type[Scheme], sign: int) -> None:
    headers = scheme(["s3cret"], FixedClock(NOW)).sign(BODY)

    scheme(["s3cret"], FixedClock(NOW + sign * timedelta(minutes=5))).verify(headers, BODY)
    with pytest.raises(WebhookStale):
        scheme(["s3cret"], FixedClock(NOW + sign * timedelta(minutes=5, seconds=1))).verify(headers, BODY)


@both
def test_a_secret_is_replaced_without_a_webhook_lost(scheme: type[Scheme], clock: FixedClock) -> None:
    before, during, after = (scheme(held, clock) for held in (["old"], ["new", "old"], ["new"]))

    during.verify(before.sign(BODY), BODY)
    during.verify(after.sign(BODY), BODY)
    with pytest.raises(WebhookForged):
        after.verify(before.sign(BODY), BODY)


def test_several_signatures_stand_beside_each_other_and_one_has_to_hold(clock: FixedClock) -> None:
    standard, other = StandardWebhooks(["s3cret"], clock), StandardWebhooks(["other"], clock)
    headers = standard.sign("evt_1", BODY)
    strange = other.sign("evt_1", BODY)["webhook-signature"]

    together = f"v1a,bm90IG91cnM= {strange} {headers['webhook-signature']}"

    assert standard.verify(headers | {"webhook-signature": together}, BODY) == "evt_1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", ""),
        ("webhook-id", "evt 1"),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", "-1"),
        ("webhook-timestamp", "１２３"),
        ("webhook-timestamp", "9" * 20),
        ("webhook-signature", ""),
        ("webhook-signature", "v1,é"),
        ("webhook-signature", "v1,abc"),
    ],
)
def test_headers_not_written_as_the_scheme_says_are_named(clock: FixedClock, name: str, value: str) -> None:
    ours = StandardWebhooks(["s3cret"], clock)

    with pytest.raises(WebhookMalformed) as refused:
        ours.verify(ours.sign("evt_1", BODY) | {name: value}, BODY)

    assert refused.value.field == name


@pytest.mark.parametrize("value", ["", "t=1", "v1=00", "t=1,t=2,v1=00", "t=x,v1=00", "t=1,v1=é", "nonsense"])
def test_a_processors_header_in_disorder_is_refused_by_name(clock: FixedClock, value: str) -> None:
    with pytest.raises((WebhookMalformed, WebhookForged)):
        StripeWebhooks(["s3cret"], clock).verify({"stripe-signature": value}, BODY)


@both
@given(header=st.text(max_size=60))
def test_no_header_breaks_the_check(scheme: type[Scheme], header: str) -> None:
    signatures = scheme(["s3cret"], FixedClock(NOW))
    names = signatures.sign(BODY)

    with pytest.raises(RuumError):
        signatures.verify(dict.fromkeys(names, header), BODY)


@both
@pytest.mark.parametrize("secrets", [[], [""], ["s3cret", ""]])
def test_an_empty_secret_is_no_secret(scheme: type[Scheme], clock: FixedClock, secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        scheme(secrets, clock)
