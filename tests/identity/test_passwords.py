from __future__ import annotations

import asyncio
from collections.abc import Iterator

import argon2
import pytest

from services.identity.passwords.domain import PasswordKnown, Passwords, PasswordTooLong, PasswordTooShort
from services.identity.settings import Rules
from tests.identity.world import PASSWORD

ADDRESS = "hana.sato@example.jp"


@pytest.fixture(scope="module")
def passwords() -> Iterator[Passwords]:
    made = Passwords(Rules(argon2_memory_kib=8))
    yield made
    made.close()


@pytest.mark.rule("ID-10")
@pytest.mark.parametrize(
    "password", ["k7Qxvw2p", "あいうえおかきく", "        x", "🗝️ 鍵は 二本", "a" * 127 + "b", "\tx\n5\0ab\x7f"]
)
def test_any_eight_to_128_characters_do(passwords: Passwords, password: str) -> None:
    passwords.check(password, ADDRESS)


@pytest.mark.rule("ID-10")
@pytest.mark.parametrize(
    ("password", "refusal"),
    [
        ("k7Qxvw2", PasswordTooShort),
        ("鍵" * 7, PasswordTooShort),
        ("", PasswordTooShort),
        ("ab" * 64 + "c", PasswordTooLong),
    ],
)
def test_shorter_and_longer_ones_are_refused(passwords: Passwords, password: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        passwords.check(password, ADDRESS)


@pytest.mark.rule("ID-10")
@pytest.mark.parametrize(
    "password",
    [
        "password1",
        "PassWord1",
        "12345678",
        "qwertyuiop",
        "11111111",
        "鍵鍵鍵鍵鍵鍵鍵鍵",
        "ruumruum",
        "Hana.Sato",
        ADDRESS,
    ],
)
def test_what_everybody_or_a_glance_could_guess_is_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(PasswordKnown):
        passwords.check(password, ADDRESS)


@pytest.mark.parametrize("password", ["+819012345678", "09012345678"])
def test_the_own_number_is_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(PasswordKnown):
        passwords.check(password, "+819012345678")


async def test_a_password_is_kept_as_argon2id_and_compared_as_it_was_typed(passwords: Passwords) -> None:
    kept = await passwords.hash(PASSWORD)

    assert argon2.extract_parameters(kept).type is argon2.Type.ID
    assert await passwords.verify(kept, PASSWORD) == kept
    assert await passwords.verify(kept, PASSWORD + " ") is None
    assert await passwords.verify(kept, PASSWORD[:-1]) is None


async def test_without_an_account_it_is_compared_all_the_same_and_never_right(passwords: Passwords) -> None:
    assert await passwords.verify(None, PASSWORD) is None


async def test_a_hash_of_older_settings_is_made_anew() -> None:
    older, newer = Passwords(Rules(argon2_memory_kib=8)), Passwords(Rules(argon2_memory_kib=16))
    kept = await older.hash(PASSWORD)

    anew = await newer.verify(kept, PASSWORD)

    assert anew is not None
    assert anew != kept
    assert argon2.extract_parameters(anew).memory_cost == 16
    assert await newer.verify(kept, "wrong password") is None
    older.close()
    newer.close()


async def test_hashing_never_blocks_the_loop() -> None:
    slow = Passwords(Rules(argon2_memory_kib=64 * 1024, argon2_passes=6))
    turns = 0
    hashing = asyncio.ensure_future(slow.hash(PASSWORD))

    while not hashing.done():
        turns += 1
        await asyncio.sleep(0.001)

    assert turns > 20
    slow.close()


def test_the_settings_are_those_that_are_recommended_today() -> None:
    rules = Rules()

    assert (rules.argon2_memory_kib, rules.argon2_passes) >= (47_104, 1)
