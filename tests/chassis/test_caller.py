from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from services.chassis.caller import Caller, KeyRing, Signer
from services.chassis.clock import FixedClock
from services.chassis.errors import CallerUnknown
from tests.support.callers import Keys, member, operator, service

NOW = datetime(2026, 5, 1, tzinfo=UTC)
WORKER = service("worker")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


def written(claims: dict[str, Any], key: OKPKey, **header: Any) -> str:
    return jwt.encode({"alg": "Ed25519", "kid": str(key.kid)} | header, claims, key, algorithms=["Ed25519"])


def claims(**changed: object) -> dict[str, Any]:
    begun = int(NOW.timestamp())
    usual = {"iss": "store", "sub": "store", "role": "service", "sid": "", "aud": "points"}
    return usual | {"iat": begun, "exp": begun + 60} | changed


def key_of(keys: Keys, issuer: str) -> OKPKey:
    return OKPKey.import_key(json.loads(keys.private[issuer].read_text()))


@pytest.mark.parametrize(
    "caller", [member("mem_1", "ses_1"), operator("op_1"), service("store"), service("contract-master")]
)
def test_a_token_proves_whom_it_was_signed_for(keys: Keys, clock: FixedClock, caller: Caller) -> None:
    token = keys.token(caller, "points", clock)

    assert keys.ring(clock).caller(token, "points") == caller


def test_a_token_is_for_one_audience(keys: Keys, clock: FixedClock) -> None:
    token, ring = keys.token(WORKER, "points", clock), keys.ring(clock)

    assert ring.caller(token, "points") == WORKER
    with pytest.raises(CallerUnknown):
        ring.caller(token, "store")


@pytest.mark.parametrize(("waited", "known"), [(124, True), (125, False)])
def test_a_token_ends_two_minutes_and_the_allowed_skew_after_it_was_signed(
    keys: Keys, clock: FixedClock, waited: int, known: bool
) -> None:
    token, ring = keys.token(WORKER, "points", clock), keys.ring(clock)
    ring.caller(token, "points")

    clock.advance(timedelta(seconds=waited))

    for asked in (ring, keys.ring(clock)):  # also one that has not proved it before
        if known:
            assert asked.caller(token, "points") == WORKER
        else:
            with pytest.raises(CallerUnknown):
                asked.caller(token, "points")


@pytest.mark.parametrize(
    "said",
    [
        claims(iss="points"),  # signed by another than it says
        claims(sub="points"),  # speaks for another service
        claims(role="member", sub="mem_1"),  # only identity vouches for members
        claims(role="operator", sub="op_1"),  # only the desk vouches for operators
        claims(role="points"),  # no role: must not pass for the service of that name
        claims(role=["service"]),
        claims(aud="identity"),
        claims(aud=["points"]),
        claims(iat=int(NOW.timestamp()) + 6),
        claims(exp=int(NOW.timestamp()) - 5),
        claims(exp=10**18),
        claims(exp="2099"),
        claims(sid=None),
        claims(sub=""),
        claims(iss="../private/store"),
        claims(iss="s" * 5000),
        {"iss": "store"},
    ],
)
def test_a_token_that_says_more_than_its_signer_may_proves_nothing(
    keys: Keys, clock: FixedClock, said: dict[str, Any]
) -> None:
    token = written(said, key_of(keys, "store"))

    with pytest.raises(CallerUnknown):
        keys.ring(clock).caller(token, "points")


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def forgeries(keys: Keys) -> dict[str, str]:
    payload = encoded(json.dumps(claims()).encode())
    public = json.loads((keys.public / "store.json").read_text())["keys"][0]
    stranger = OKPKey.generate_key("Ed25519", {"kid": public["kid"]}, private=True)
    shared = OctKey.import_key(json.dumps(public))
    own = written(claims(), key_of(keys, "store"))
    return {
        "alg none": f"{encoded(json.dumps({'alg': 'none'}).encode())}.{payload}.",
        "no signature": own.rpartition(".")[0] + ".",
        "a stranger's key under a known name": written(claims(), stranger),
        "the stranger's key brought along": written(claims(), stranger, jwk=stranger.as_dict(private=False)),
        "the public key as a shared secret": jwt.encode(
            {"alg": "HS256", "kid": public["kid"]}, claims(), shared, algorithms=["HS256"]
        ),
        "claims of another token": ".".join([own.split(".")[0], payload + "x", own.split(".")[2]]),
        "deep": f"{encoded(b'[' * 6000)}.{encoded(b'[' * 6000)}.x",
        "no parts": "x",
        "nothing": "",
    }


def test_a_forged_token_proves_nothing(keys: Keys, clock: FixedClock) -> None:
    for name, token in forgeries(keys).items():
        with pytest.raises(CallerUnknown):
            pytest.fail(f"{name}: {keys.ring(clock).caller(token, 'points')}")


@given(st.text(max_size=200) | st.lists(st.binary(max_size=50).map(encoded), min_size=3, max_size=3).map(".".join))
def test_whatever_stands_for_a_token_is_refused_by_name(keys: Keys, token: str) -> None:
    with pytest.raises(CallerUnknown):
        keys.ring(FixedClock(NOW)).caller(token, "points")


class Rotation:
    """An issuer's files in a folder of their own, replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private = folder / "private.json"

    def publish(self, *keys: OKPKey) -> None:
        self._replace(self.folder / "store.json", {"keys": [key.as_dict(private=False) for key in keys]})

    def sign_with(self, key: OKPKey) -> None:
        self._replace(self.private, key.as_dict(private=True))

    def _replace(self, path: Path, content: Any) -> None:
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(content))
        beside.replace(path)


def fresh_key(name: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": name}, private=True)


def test_both_keys_count_while_one_takes_over_from_the_other_and_a_removed_one_no_longer(
    tmp_path: Path, clock: FixedClock
) -> None:
    old, new = fresh_key("old"), fresh_key("new")
    rotation = Rotation(tmp_path)
    rotation.publish(old)
    rotation.sign_with(old)
    signer, ring = Signer(rotation.private, "store", clock), KeyRing(tmp_path, clock)
    store = service("store")
    by_old, _ = signer.sign(store, "points")
    assert ring.caller(by_old, "points") == store

    rotation.publish(old, new)
    rotation.sign_with(new)
    by_new, _ = signer.sign(store, "points")
    assert ring.caller(by_old, "points") == ring.caller(by_new, "points") == store

    rotation.publish(new)
    assert ring.caller(by_new, "points") == store
    with pytest.raises(CallerUnknown):
        ring.caller(by_old, "points")


def test_a_token_of_a_removed_key_that_was_never_shown_is_refused_too(tmp_path: Path, clock: FixedClock) -> None:
    old, new = fresh_key("old"), fresh_key("new")
    rotation = Rotation(tmp_path)
    rotation.publish(old)
    rotation.sign_with(old)
    signer, ring = Signer(rotation.private, "store", clock), KeyRing(tmp_path, clock)
    ring.caller(signer.sign(service("store"), "points")[0], "points")
    stolen, _ = signer.sign(service("store"), "points")

    rotation.publish(new)

    with pytest.raises(CallerUnknown):
        ring.caller(stolen, "points")


def test_an_issuer_without_readable_keys_is_unknown(tmp_path: Path, keys: Keys, clock: FixedClock) -> None:
    token, ring = keys.token(service("store"), "points", clock), KeyRing(tmp_path, clock)
    with pytest.raises(CallerUnknown):
        ring.caller(token, "points")

    (tmp_path / "store.json").write_text("{")
    with pytest.raises(CallerUnknown):
        ring.caller(token, "points")

    (tmp_path / "store.json").write_bytes((keys.public / "store.json").read_bytes())
    assert ring.caller(token, "points") == service("store")


def test_our_own_token_is_signed_anew_shortly_before_its_end_or_when_it_was_not_believed(
    keys: Keys, clock: FixedClock
) -> None:
    signer = keys.signer("store", clock)
    first = signer.own_token("points")

    assert signer.own_token("points") == first
    assert signer.own_token("identity") != first
    clock.advance(timedelta(seconds=91))
    second = signer.own_token("points")
    assert second != first
    assert signer.own_token("points", fresh=True) != second


@pytest.mark.parametrize(
    ("caller", "open_to_it"),
    [(member("worker"), False), (operator("worker"), False), (service("worker"), True)],
)
def test_names_of_people_do_not_pass_for_services(caller: Caller, open_to_it: bool) -> None:
    assert caller.is_one_of(["worker"]) is open_to_it
