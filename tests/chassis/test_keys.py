from __future__ import annotations

import json
import os
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.chassis import keys
from services.chassis.caller import Caller, KeyRing, Signer
from services.chassis.clock import FixedClock
from services.chassis.errors import CallerUnknown

MEMBER = Caller("member", "mem_01jzzzzzzzzzzzzzzzzzzzzzzz", "ses_01jzzzzzzzzzzzzzzzzzzzzzzz")


class Issuer:
    """Identity's keys in a folder, whoever signs with them and whoever checks them, all of them running."""

    def __init__(self, folder: Path) -> None:
        self.private, self.public = folder / "private" / "identity.json", folder / "public"
        key = keys.generate("identity")
        keys.keep(self.private, key)
        keys.publish(self.public, "identity", [key])
        clock = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
        self.signer = Signer(self.private, "identity", clock)
        self.ring = KeyRing(self.public, clock)

    def age(self, by: timedelta) -> None:
        then = time.time() - by.total_seconds()
        os.utime(self.private, (then, then))

    def rotate(self) -> None:
        self.age(keys.OVERLAP)
        keys.rotate(self.public, self.private)

    def sign(self) -> str:
        return self.signer.sign(MEMBER, "points")[0]


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.mark.rule("ID-15")
def test_a_rotation_is_noticed_by_nobody(issuer: Issuer) -> None:
    before = issuer.sign()
    assert issuer.ring.caller(before, "points") == MEMBER

    issuer.rotate()
    after = issuer.sign()

    assert after.split(".")[0] != before.split(".")[0]
    assert issuer.ring.caller(after, "points") == MEMBER
    assert issuer.ring.caller(before, "points") == MEMBER


def test_the_key_before_the_last_is_gone(issuer: Issuer) -> None:
    before = issuer.sign()

    issuer.rotate()
    issuer.rotate()

    with pytest.raises(CallerUnknown):
        issuer.ring.caller(before, "points")
    assert issuer.ring.caller(issuer.sign(), "points") == MEMBER


@pytest.mark.parametrize(("early", "refused"), [(timedelta(minutes=1), True), (timedelta(), False)])
def test_tokens_of_the_old_key_run_out_before_it_can_go(issuer: Issuer, early: timedelta, refused: bool) -> None:
    issuer.age(keys.OVERLAP - early)

    if refused:
        with pytest.raises(keys.RotatedTooSoonError):
            keys.rotate(issuer.public, issuer.private)
    else:
        keys.rotate(issuer.public, issuer.private)

    published = json.loads((issuer.public / "identity.json").read_text())["keys"]
    assert len(published) == (1 if refused else 2)


def test_a_stolen_key_counts_no_more_at_once(issuer: Issuer) -> None:
    stolen = issuer.sign()
    assert issuer.ring.caller(stolen, "points") == MEMBER

    keys.replace_stolen(issuer.public, issuer.private)

    with pytest.raises(CallerUnknown):
        issuer.ring.caller(stolen, "points")
    assert issuer.ring.caller(issuer.sign(), "points") == MEMBER


def test_private_halves_are_for_their_owner_and_never_published(issuer: Issuer) -> None:
    issuer.rotate()

    assert stat.S_IMODE(issuer.private.stat().st_mode) == 0o600
    assert [key for key in json.loads((issuer.public / "identity.json").read_text())["keys"] if "d" in key] == []
    assert [path.name for path in issuer.private.parent.iterdir()] == ["identity.json"]
