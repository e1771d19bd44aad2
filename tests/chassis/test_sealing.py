from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.chassis.sealing import MasterKeys, SealBrokenError, Sealed, Sealer, keyed_digest

NUMBER = b"7KQ20V6W"
OURS = "ord_01jzzzzzzzzzzzzzzzzzzzzzzz/key-number"


class KeyFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: dict[str, str] = {}

    def rotate(self, key_id: str) -> None:
        self.keys[key_id] = base64.b64encode(os.urandom(32)).decode()
        self.write(current=key_id)

    def write(self, current: str) -> None:
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps({"current": current, "keys": self.keys}))
        beside.rename(self.path)


def each_byte_altered(column: bytes) -> Iterator[bytes]:
    for place, byte in enumerate(column):
        yield column[:place] + bytes([byte ^ 1]) + column[place + 1 :]


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    file = KeyFile(tmp_path / "master.json")
    file.rotate("2026-01")
    return file


@pytest.fixture
def sealer(key_file: KeyFile) -> Sealer:
    return Sealer(MasterKeys(key_file.path))


@given(st.binary(max_size=2_000), st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_sealed_opens_again(sealer: Sealer, plaintext: bytes, bound_to: str) -> None:
    assert sealer.open(sealer.seal(plaintext, bound_to), bound_to) == plaintext


@pytest.mark.rule("SK-12")
def test_a_sealed_value_opens_only_for_what_it_was_sealed_for(sealer: Sealer) -> None:
    sealed = sealer.seal(NUMBER, OURS)

    for other in ("ord_01jyyyyyyyyyyyyyyyyyyyyyyy/key-number", OURS.replace("key-number", "address"), ""):
        with pytest.raises(SealBrokenError):
            sealer.open(sealed, other)


@pytest.mark.rule("SK-12")
def test_every_value_has_a_key_of_its_own(sealer: Sealer) -> None:
    first, second = sealer.seal(NUMBER, OURS), sealer.seal(NUMBER, OURS)

    assert first.ciphertext != second.ciphertext
    with pytest.raises(SealBrokenError):
        sealer.open(replace(first, wrapped_key=second.wrapped_key), OURS)


@pytest.mark.rule("SK-12")
def test_without_its_wrapped_key_a_value_is_gone(sealer: Sealer) -> None:
    sealed = sealer.seal(NUMBER, OURS)

    with pytest.raises(SealBrokenError):
        sealer.open(replace(sealed, wrapped_key=b""), OURS)


def test_an_altered_byte_is_found_wherever_it_stands(sealer: Sealer) -> None:
    sealed = sealer.seal(NUMBER, OURS)

    altered = [
        *(replace(sealed, wrapped_key=key) for key in each_byte_altered(sealed.wrapped_key)),
        *(replace(sealed, nonce=nonce) for nonce in each_byte_altered(sealed.nonce)),
        *(replace(sealed, ciphertext=text) for text in each_byte_altered(sealed.ciphertext)),
    ]

    for value in altered:
        with pytest.raises(SealBrokenError):
            sealer.open(value, OURS)


@pytest.mark.rule("SK-12")
def test_no_column_shows_the_value_in_any_usual_form(sealer: Sealer) -> None:
    sealed = sealer.seal(NUMBER, OURS)

    columns = sealed.wrapped_key + sealed.nonce + sealed.ciphertext
    for form in (
        NUMBER,
        base64.b64encode(NUMBER)[:10],
        hashlib.sha256(NUMBER).digest(),
        NUMBER.hex().encode(),
    ):
        assert form not in columns


@pytest.mark.rule("SK-12")
def test_the_master_key_is_rotated_under_a_running_process(sealer: Sealer, key_file: KeyFile) -> None:
    before = sealer.seal(NUMBER, OURS)

    key_file.rotate("2026-07")
    after = sealer.seal(NUMBER, OURS)
    rewrapped = sealer.rewrap(before)
    key_file.keys.pop("2026-01")
    key_file.write(current="2026-07")

    assert (before.key_id, after.key_id, rewrapped.key_id) == ("2026-01", "2026-07", "2026-07")
    assert rewrapped.ciphertext == before.ciphertext
    assert sealer.open(after, OURS) == sealer.open(rewrapped, OURS) == NUMBER
    with pytest.raises(SealBrokenError, match="gone"):
        sealer.open(before, OURS)


def test_rewrapping_what_is_under_the_current_key_changes_nothing(sealer: Sealer) -> None:
    sealed = sealer.seal(NUMBER, OURS)

    assert sealer.rewrap(sealed) is sealed


def test_a_value_cannot_be_passed_off_as_sealed_under_another_master_key(sealer: Sealer, key_file: KeyFile) -> None:
    sealed = sealer.seal(NUMBER, OURS)
    key_file.keys["copy"] = key_file.keys["2026-01"]
    key_file.write(current="2026-01")

    with pytest.raises(SealBrokenError):
        sealer.open(replace(sealed, key_id="copy"), OURS)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"current": "a", "keys": {}}',
        '{"current": "a", "keys": {"a": "bWFya2Vk"}}',
        '{"current": "b", "keys": {"a": "' + base64.b64encode(b"k" * 32).decode() + '"}}',
        '{"current": "a", "keys": {"a": "marked, not base64!"}}',
    ],
)
def test_a_file_without_usable_master_keys_stops_the_start_and_is_not_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "master.json"
    path.write_text(content)

    with pytest.raises(ValueError, match=r"master\.json") as stopped:
        MasterKeys(path)

    assert "marked" not in f"{stopped.value!r} {stopped.value.__cause__!r}"


@given(st.text(), st.text(), st.binary(min_size=1), st.binary(min_size=1))
def test_a_digest_depends_on_value_key_and_purpose(value: str, other: str, key: bytes, other_key: bytes) -> None:
    digest = keyed_digest(value, key, "sign-in")

    assert digest == keyed_digest(value, key, "sign-in")
    assert (digest == keyed_digest(other, key, "sign-in")) == (value == other)
    assert digest != keyed_digest(value, key, "sign-up")
    assert len(digest) == 64
    assert (digest == keyed_digest(value, other_key, "sign-in")) == (key.rstrip(b"\0") == other_key.rstrip(b"\0"))


def test_sealed_values_are_plain_columns(sealer: Sealer) -> None:
    sealed = sealer.seal(NUMBER, OURS)

    assert Sealed(sealed.key_id, sealed.wrapped_key, sealed.nonce, sealed.ciphertext) == sealed
