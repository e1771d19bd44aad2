from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.chassis.clock import FixedClock
from services.identity.codes.domain import CodeSent, CodeWrong
from services.identity.journal.models import Entry
from services.identity.members.models import Member
from services.identity.sessions.domain import SignedIn
from services.identity.sessions.models import Device, Session
from services.identity.settings import Cap
from services.identity.sign_in.domain import CredentialsWrong
from services.identity.throttles.domain import TooManyTries
from tests.identity.world import PASSWORD, Founded, World, other_than
from tests.support.insisting import insisting

HANA = "hana@example.jp"
NUMBER = "090-1234-5678"
SECOND = timedelta(seconds=1)
SPELLINGS = [HANA, "HANA@example.jp", "Hana@EXAMPLE.JP", "ｈａｎａ＠ｅｘａｍｐｌｅ．ｊｐ", " hana@example.jp "]


async def let_time_pass(clock: FixedClock) -> None:
    clock.advance(timedelta(hours=1))


async def known_device(world: World, signed_up: SignedIn, address: str = HANA) -> SignedIn:
    signed_in = await world.sign_in(address, device=signed_up.device_token)
    assert isinstance(signed_in, SignedIn)
    return signed_in


async def new_device(world: World, address: str = HANA) -> CodeSent:
    sent = await world.sign_in(address)
    assert isinstance(sent, CodeSent)
    return sent


@pytest.mark.rule("ID-10")
@pytest.mark.parametrize(("address", "spelling"), [(HANA, "Hana@Example.JP"), (NUMBER, "+81 90 1234 5678")])
async def test_address_and_password_sign_in_where_one_has_signed_in_before(
    world: World, address: str, spelling: str
) -> None:
    hana = await world.member(address)

    again = await known_device(world, hana, spelling)

    assert (again.member_id, again.device_token) == (hana.member_id, hana.device_token)
    assert again.session_token != hana.session_token
    assert await world.told("signed_in_on_new_device") == []


@pytest.mark.rule("ID-10")
async def test_a_new_device_also_needs_a_code(world: World, clock: FixedClock) -> None:
    hana = await world.member(HANA)
    await let_time_pass(clock)

    sent = await new_device(world)

    letter = await world.letter()
    assert (letter.message, letter.address) == ("new-device", HANA)
    assert len(await world.rows(Session)) == 1
    with pytest.raises(CodeWrong):
        await world.confirm(sent, other_than(letter.code))
    signed_in = await world.confirm(sent, letter.code)
    assert signed_in.member_id == hana.member_id
    (told,) = await world.told("signed_in_on_new_device")
    assert told.header.member_id == hana.member_id
    assert (await known_device(world, signed_in)).device_token == signed_in.device_token


@pytest.mark.rule("ID-10")
async def test_a_device_of_somebody_else_is_a_new_one(world: World, clock: FixedClock) -> None:
    await world.member(HANA)
    stranger = await world.member(NUMBER)
    await let_time_pass(clock)

    assert isinstance(await world.sign_in(HANA, device=stranger.device_token), CodeSent)


@pytest.mark.parametrize(("after", "is_known"), [(-SECOND, True), (SECOND * 0, False), (SECOND, False)])
async def test_a_device_left_for_half_a_year_is_a_new_one(
    world: World, clock: FixedClock, after: timedelta, is_known: bool
) -> None:
    hana = await world.member(HANA)
    clock.advance(timedelta(days=180) + after)

    assert isinstance(await world.sign_in(HANA, device=hana.device_token), SignedIn) is is_known


@pytest.mark.rule("ID-13")
async def test_one_counter_for_all_spellings_slows_guessing_down(world: World) -> None:
    await world.member(HANA)
    for turn in range(10):
        with pytest.raises(CredentialsWrong):
            await world.sign_in(SPELLINGS[turn % 5], f"guess number {turn}", client=f"client {turn}")

    for spelling in SPELLINGS:
        with pytest.raises(TooManyTries) as refused:
            await world.sign_in(spelling, client="client 99")
        assert refused.value.retry_after == timedelta(minutes=6)


@pytest.mark.rule("ID-13")
async def test_nobody_is_locked_out_for_good(world: World, clock: FixedClock) -> None:
    hana = await world.member(HANA)
    for _ in range(10):
        with pytest.raises(CredentialsWrong):
            await world.sign_in(HANA, "guess")

    clock.advance(timedelta(minutes=6) - SECOND)
    with pytest.raises(TooManyTries):
        await world.sign_in(HANA)
    clock.advance(SECOND)

    sent = await new_device(world)
    assert (await world.confirm(sent, (await world.letter()).code)).member_id == hana.member_id


@pytest.mark.rule("ID-13")
async def test_strangers_who_guess_do_not_keep_a_known_device_out(world: World) -> None:
    hana = await world.member(HANA)
    for turn in range(10):
        with pytest.raises(CredentialsWrong):
            await world.sign_in(HANA, "guess", client=f"stranger {turn}")

    assert (await known_device(world, hana)).member_id == hana.member_id


async def test_a_known_device_guesses_no_more_than_others(world: World) -> None:
    hana = await world.member(HANA)
    for _ in range(10):
        with pytest.raises(CredentialsWrong):
            await world.sign_in(HANA, "guess", hana.device_token)

    with pytest.raises(TooManyTries):
        await world.sign_in(HANA, device=hana.device_token)


async def test_one_client_cannot_try_one_password_everywhere(founded: Founded) -> None:
    world = founded(wrong_passwords_per_client=Cap(times=3, seconds=3600))
    for turn in range(3):
        with pytest.raises(CredentialsWrong):
            await world.sign_in(f"hana{turn}@example.jp", "summer2026")

    with pytest.raises(TooManyTries):
        await world.sign_in("hana3@example.jp", "summer2026")


async def test_right_passwords_are_no_guesses(world: World) -> None:
    hana = await world.member(HANA)

    for _ in range(30):
        await known_device(world, hana)


async def test_a_right_password_among_too_many_guesses_at_once_is_not_told(world: World) -> None:
    await world.member(HANA)
    barrier = asyncio.Barrier(40)

    async def guess(turn: int) -> str:
        await barrier.wait()
        try:
            await insisting(lambda: world.sign_in(HANA, f"guess number {turn}", client=f"client {turn}"))
        except (CredentialsWrong, TooManyTries) as refused:
            return refused.code
        return "right"

    outcomes = await asyncio.gather(*(guess(turn) for turn in range(40)))

    assert (outcomes.count("credentials-wrong"), outcomes.count("too-many-tries")) == (10, 30)


async def test_a_password_that_a_cap_kept_from_being_compared_is_not_called_wrong(
    world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.member(HANA)
    for _ in range(10):
        with pytest.raises(CredentialsWrong):
            await world.sign_in(HANA, "guess")
    looked_at, admitted_at = clock.now(), clock.now() + timedelta(minutes=6)
    instants = iter([looked_at, admitted_at, admitted_at, admitted_at])
    monkeypatch.setattr(clock, "now", lambda: next(instants))

    with pytest.raises(TooManyTries):
        await world.sign_in(HANA)


async def test_a_password_that_was_changed_while_it_was_compared_does_not_sign_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hana = await world.member(HANA)
    really = world.passwords.verify

    async def slowly(kept: str | None, password: str) -> str | None:
        verified = await really(kept, password)
        changed = await world.passwords.hash("another password")
        await world.database.transact(lambda tx: tx.execute(sa.update(Member.table()).values(password_hash=changed)))
        return verified

    monkeypatch.setattr(world.passwords, "verify", slowly)

    with pytest.raises(CredentialsWrong):
        await world.sign_in(HANA, PASSWORD, hana.device_token)


async def test_signing_in_brings_an_older_hash_up_to_date(world: World, founded: Founded) -> None:
    hana = await world.member(HANA)
    stronger = founded(argon2_memory_kib=16)

    await known_device(stronger, hana)

    (row,) = await world.rows(Member)
    assert "m=16," in row["password_hash"]
    assert (await known_device(stronger, hana)).member_id == hana.member_id


@pytest.mark.rule("ID-26")
async def test_what_happens_to_an_account_is_written_down(world: World, clock: FixedClock) -> None:
    hana = await world.member(HANA)
    await let_time_pass(clock)
    with pytest.raises(CredentialsWrong):
        await world.sign_in(HANA, "guess")
    sent = await new_device(world)
    code = (await world.letter()).code
    with pytest.raises(CodeWrong):
        await world.confirm(sent, other_than(code))
    await world.confirm(sent, code)
    await known_device(world, hana)

    rows = await world.rows(Entry)

    assert [row["happening"] for row in sorted(rows, key=lambda row: row["id"])] == [
        "signed-up",
        "password-wrong",
        "code-wrong",
        "signed-in-on-new-device",
        "signed-in",
    ]
    assert {row["member_id"] for row in rows} == {hana.member_id}


async def test_devices_are_told_apart_by_digests_only(world: World) -> None:
    hana = await world.member(HANA)

    (row,) = await world.rows(Device)

    assert hana.device_token not in str(dict(row))
