"""PR-10 for each verb of identity: a request that comes again acts once and is answered alike."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.chassis.clock import FixedClock
from services.chassis.errors import RequestReused
from services.identity.codes.domain import CodeSent, CodeWrong
from services.identity.codes.models import Code
from services.identity.journal.models import Entry
from services.identity.members.models import Member
from services.identity.models import requests
from services.identity.sessions.domain import SignedIn
from services.identity.sessions.models import Session
from services.identity.sign_in.domain import CredentialsWrong
from services.identity.sweep.domain import Sweep
from tests.identity.world import World, other_than
from tests.support.insisting import insisting

HANA = "hana@example.jp"
ONCE = {"request_id": "the same request"}


@pytest.mark.rule("PR-10")
async def test_a_code_that_is_asked_for_again_is_sent_once(world: World, clock: FixedClock) -> None:
    first = await world.ask_for_code(HANA, **ONCE)
    clock.advance(timedelta(days=1))

    again = await world.ask_for_code(HANA, **ONCE)

    assert again == first
    assert len(await world.envelopes()) == 1
    with pytest.raises(RequestReused):
        await world.ask_for_code(HANA, language="en", **ONCE)


@pytest.mark.rule("PR-10")
async def test_who_comes_again_over_another_network_is_answered_alike(world: World) -> None:
    sent = await world.ask_for_code(HANA, "wifi", **ONCE)
    code = (await world.letter()).code
    first = await world.sign_up(sent, code, client="wifi", **ONCE)

    assert await world.ask_for_code(HANA, "mobile", **ONCE) == sent
    assert await world.sign_up(sent, code, client="mobile", **ONCE) == first
    assert (len(await world.rows(Member)), len(await world.rows(Session))) == (1, 1)


@pytest.mark.rule("PR-10")
async def test_strangers_with_one_request_id_do_not_meet(world: World) -> None:
    hers = await world.ask_for_code(HANA, **ONCE)
    her_code = (await world.letter()).code
    his = await world.ask_for_code("umi@example.jp", **ONCE)
    his_code = (await world.letter()).code

    one, other = await world.sign_up(hers, her_code, **ONCE), await world.sign_up(his, his_code, **ONCE)
    her_return = await world.sign_in(HANA, device=one.device_token, **ONCE)
    his_return = await world.sign_in("umi@example.jp", device=other.device_token, **ONCE)

    assert isinstance(her_return, SignedIn)
    assert isinstance(his_return, SignedIn)
    assert hers.flow_id != his.flow_id
    assert one.member_id == her_return.member_id != other.member_id == his_return.member_id
    assert len({entry.session_token for entry in (one, other, her_return, his_return)}) == 4


@pytest.mark.rule("PR-10")
async def test_a_request_id_alone_opens_nobodys_answer(world: World) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code
    await world.sign_up(sent, code, **ONCE)

    with pytest.raises(RequestReused):
        await world.sign_up(sent, code, password="a guess of hers", **ONCE)
    with pytest.raises(RequestReused):
        await world.sign_up(sent, other_than(code), **ONCE)

    async with world.database.reading() as session:
        kept = [str(row) for row in await session.execute(sa.select(requests))]
    assert len(kept) == 2
    assert not [row for row in kept if HANA in row or sent.flow_id in row]


@pytest.mark.rule("PR-10")
async def test_a_sign_up_that_comes_again_makes_one_account_and_gives_the_same_tokens(
    world: World, clock: FixedClock
) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code
    first = await world.sign_up(sent, code, **ONCE)

    for later in (timedelta(), timedelta(days=1), timedelta(days=3)):
        clock.advance(later)
        await Sweep(world.database, clock).once()
        assert await world.sign_up(sent, code, **ONCE) == first

    assert (len(await world.rows(Member)), len(await world.rows(Session))) == (1, 1)
    with pytest.raises(RequestReused):
        await world.sign_up(sent, code, password="another password", **ONCE)


@pytest.mark.rule("PR-10")
async def test_a_wrong_code_that_comes_again_is_one_try(world: World) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code
    answers = []

    for _ in range(8):
        with pytest.raises(CodeWrong) as refused:
            await world.sign_up(sent, other_than(code), **ONCE)
        answers.append(refused.value.params)

    (row,) = await world.rows(Code)
    assert row["tries"] == 1
    assert answers == [{"sequence": 1, "left": 4}] * 8


async def test_nobody_learns_with_one_request_id_whether_another_code_is_right(world: World) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code
    with pytest.raises(CodeWrong):
        await world.sign_up(sent, other_than(code), **ONCE)

    with pytest.raises(RequestReused):
        await world.sign_up(sent, code, **ONCE)


@pytest.mark.rule("PR-10")
async def test_a_sign_in_that_comes_again_begins_one_session(world: World) -> None:
    hana = await world.member(HANA)
    first = await world.sign_in(HANA, device=hana.device_token, **ONCE)

    assert await world.sign_in(HANA, device=hana.device_token, **ONCE) == first

    assert len(await world.rows(Session)) == 2
    with pytest.raises(RequestReused):
        await world.sign_in(HANA, "another password", hana.device_token, **ONCE)


async def test_a_sign_in_is_answered_again_also_when_a_cap_is_full_by_now(world: World) -> None:
    hana = await world.member(HANA)
    first = await world.sign_in(HANA, device=hana.device_token, **ONCE)
    for _ in range(10):
        with pytest.raises(CredentialsWrong):
            await world.sign_in(HANA, "guess", hana.device_token)

    assert await world.sign_in(HANA, device=hana.device_token, **ONCE) == first


async def test_a_wrong_password_that_comes_again_is_one_try(world: World) -> None:
    await world.member(HANA)

    for _ in range(15):
        with pytest.raises(CredentialsWrong):
            await world.sign_in(HANA, "guess", **ONCE)

    assert [row["happening"] for row in await world.rows(Entry)].count("password-wrong") == 1


@pytest.mark.rule("PR-10")
async def test_a_confirmation_that_comes_again_begins_one_session(world: World, clock: FixedClock) -> None:
    await world.member(HANA)
    clock.advance(timedelta(minutes=1))
    sent = await world.sign_in(HANA)
    assert isinstance(sent, CodeSent)
    code = (await world.letter()).code

    first = await world.confirm(sent, code, **ONCE)

    assert await world.confirm(sent, code, **ONCE) == first
    assert len(await world.told("signed_in_on_new_device")) == 1


@pytest.mark.rule("PR-10")
async def test_two_hundred_repeats_at_once_are_one_sign_up(world: World) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code
    barrier = asyncio.Barrier(200)

    async def one() -> SignedIn:
        await barrier.wait()
        return await insisting(lambda: world.sign_up(sent, code, **ONCE))

    answers = await asyncio.gather(*(one() for _ in range(200)))

    assert len({answer.session_token for answer in answers}) == 1
    assert (len(await world.rows(Member)), len(await world.rows(Session))) == (1, 1)
