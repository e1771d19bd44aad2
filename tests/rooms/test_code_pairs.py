from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.chassis.caller import Caller
from services.chassis.db import Database
from services.chassis.errors import NotFound, RuumError
from services.rooms.codes.domain import (
    CodeMalformed,
    CodesWrong,
    IssueCodes,
    IssuedPair,
    LeaseOver,
    LinkUnknown,
    OldServiceEnded,
    TooManyWrongCodes,
    Typed,
)
from services.rooms.codes.models import ALPHABET, CodePair, WrongCodes
from services.rooms.models import Table
from tests.rooms.world import MASTER, World, new_member, request_id, typed_from
from tests.support.insisting import insisting

PAIR = CodePair("ACEF2345", "HJKM789W")


def wrong(pair: IssuedPair, **more: str) -> Typed:
    """The right code ① with another code ②."""
    return Typed(code1=pair.code1, code2=CodePair.fresh().code2, client=more.get("client", request_id()))


async def answer(world: World, who: Caller, typed: Typed) -> type[RuumError] | None:
    try:
        await insisting(lambda: world.registration.preview(who, typed))
    except RuumError as refused:
        return type(refused)
    return None


@pytest.mark.rule("RM-03")
@pytest.mark.parametrize(
    ("code1", "code2"),
    [
        ("ACEF2345", "HJKM789W"),
        ("acef-2345", "hjkm-789w"),
        ("ＡＣＥＦ２３４５", "ｈｊｋｍ７８９ｗ"),
        (" ACEF 2345 ", "HJKM　789W"),
        ("ACEFー2345", "HJKM‐789W"),
        ("A-C-E-F−2345", "HJKM–789W"),
    ],
)
def test_a_code_is_read_however_it_is_written(world: World, code1: str, code2: str) -> None:
    assert world.codes.read(Typed(code1=code1, code2=code2, client=request_id())) == PAIR


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize("code", ["", "ACEF234", "ACEF23456", "ACEF234O", "ACEF234①", "ACEF_234", "アイウエオカキク"])
def test_what_is_no_code_is_refused_at_once_with_its_field(world: World, code: str) -> None:
    with pytest.raises(CodeMalformed) as first:
        world.codes.read(Typed(code1=code, code2="HJKM789W", client=request_id()))
    with pytest.raises(CodeMalformed) as second:
        world.codes.read(Typed(code1="ACEF2345", code2=code, client=request_id()))

    assert (first.value.field, second.value.field) == ("code1", "code2")


def test_no_two_characters_of_the_alphabet_look_alike() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 22
    for alike in ("0ODQ", "1IL", "2Z", "5S", "6G8B", "UVW", "UVY"):
        assert len(set(ALPHABET) & set(alike)) <= 1, alike


@pytest.mark.rule("RM-03")
def test_codes_are_random() -> None:
    pairs = [CodePair.fresh() for _ in range(2000)]
    letters = Counter("".join(pair.code1 + pair.code2 for pair in pairs))

    assert len({pair.code1 for pair in pairs} | {pair.code2 for pair in pairs}) == 4000
    assert set(letters) == set(ALPHABET)
    assert max(letters.values()) < 1.25 * min(letters.values())


@pytest.mark.rule("RM-02")
async def test_the_qr_is_the_same_pair_in_a_link(world: World) -> None:
    pair = await world.issue(await world.let())
    who = new_member()

    scanned = await world.registration.preview(who, Typed(link=pair.link, client=request_id()))
    typed = await world.registration.preview(who, typed_from(pair))

    assert pair.link.startswith("https://ruum.example/rooms/register?")
    assert scanned == typed
    assert pair.qr_svg.startswith("<svg")


@pytest.mark.rule("RM-02")
@pytest.mark.parametrize(
    "typed",
    [
        {"code1": "DK12345678", "code2": "1234"},
        {"code1": "ACEF2345", "code2": "ｄｋ-select-77"},
        {"link": "https://dkselect.example/register?id=1"},
        {"link": "https://www.example.jp/DK-SELECT/start"},
    ],
)
def test_the_way_through_dk_select_is_refused_with_the_day_it_ended(world: World, typed: dict[str, str]) -> None:
    with pytest.raises(OldServiceEnded) as refused:
        world.codes.read(Typed(**typed, client=request_id()))

    assert refused.value.params == {"ended": "2022-09-26"}


@pytest.mark.parametrize(
    "link",
    [
        "https://ruum.example/rooms/register",
        "https://ruum.example/rooms/register?code1=ACEF2345",
        "https://ruum.example/rooms/register?code1=ACEF2345&code2=nonsense",
        "https://elsewhere.example/rooms/register?code1=ACEF2345&code2=HJKM789W",
        "nonsense",
    ],
)
def test_another_link_is_refused(world: World, link: str) -> None:
    with pytest.raises(LinkUnknown):
        world.codes.read(Typed(link=link, client=request_id()))


@pytest.mark.rule("RM-03")
async def test_an_unknown_code_1_and_a_wrong_code_2_get_the_same_answer(world: World) -> None:
    pair, other = await world.issue(await world.let()), CodePair.fresh()
    tries = [
        wrong(pair),
        Typed(code1=other.code1, code2=pair.code2, client=request_id()),
        Typed(code1=other.code1, code2=other.code2, client=request_id()),
    ]

    answers = []
    for typed in tries:
        with pytest.raises(CodesWrong) as refused:
            await world.registration.preview(new_member(), typed)
        answers.append((refused.value.code, refused.value.field, refused.value.params, refused.value.violations))

    assert answers[0] == answers[1] == answers[2]


@pytest.mark.rule("RM-03")
async def test_codes_of_two_pairs_do_not_open_anything_together(world: World) -> None:
    one, two = await world.issue(await world.let()), await world.issue(await world.let())

    assert await answer(world, new_member(), Typed(code1=one.code1, code2=two.code2, client=request_id())) is CodesWrong


@pytest.mark.rule("RM-03")
async def test_issuing_again_kills_the_old_pair(world: World) -> None:
    lease = await world.let()
    old = await world.issue(lease)

    new = await world.issue(lease)

    assert await answer(world, new_member(), typed_from(old)) is CodesWrong
    assert await answer(world, new_member(), typed_from(new)) is None


@pytest.mark.rule("RM-03")
@pytest.mark.parametrize(("seconds", "opens"), [(-1, True), (0, False), (1, False)])
async def test_a_pair_lives_as_long_as_its_lease(world: World, seconds: int, opens: bool) -> None:
    pair = await world.issue(await world.let(ends_on=date(2026, 4, 10)))
    world.clock.advance(timedelta(hours=12, seconds=seconds))

    found = await answer(world, new_member(), typed_from(pair))

    assert found is (None if opens else CodesWrong)


async def test_codes_are_issued_only_for_a_lease_that_lasts(world: World) -> None:
    over = await world.let(ends_on=date(2026, 4, 9))

    with pytest.raises(LeaseOver):
        await world.issue(over)
    with pytest.raises(NotFound):
        await world.issue(world.lease())


@pytest.mark.rule("PR-10")
async def test_issuing_repeated_gives_the_same_pair_and_leaves_it_alive(world: World) -> None:
    lease = await world.let()
    asked = IssueCodes(request_id=request_id(), lease_code=lease.lease_code)

    first, again = [await world.codes.issue(MASTER, asked) for _ in range(2)]

    assert again == first
    assert await answer(world, new_member(), typed_from(first)) is None


@pytest.mark.rule("RM-03")
async def test_no_table_holds_a_code_in_plain(world: World) -> None:
    pair = await world.issue(await world.let())
    await world.register(new_member(), pair)
    codes = [pair.code1, pair.code2, pair.code1.replace("-", ""), pair.code2.replace("-", "")]

    for table in Table.metadata.sorted_tables:
        held = await _text_of(world.database, table)
        assert not [code for code in codes if code in held], table.name


async def _text_of(database: Database, table: sa.Table) -> str:
    async with database.reading() as session:
        return repr((await session.execute(sa.select(table))).all())


@pytest.mark.rule("RM-03")
@pytest.mark.parametrize("scope", ["member", "client", "code1"])
async def test_after_too_many_wrong_codes_even_the_right_one_is_refused(database: Database, scope: str) -> None:
    limits: dict[str, Any] = dict.fromkeys(("member", "client", "code1"), 100) | {scope: 3}
    world = World(database, **{f"wrong_pairs_per_{name}": limit for name, limit in limits.items()})
    right = [await world.issue(await world.let()) for _ in range(5)]
    who, client = new_member(), request_id()

    def person() -> Caller:
        return who if scope == "member" else new_member()

    def machine() -> str:
        return client if scope == "client" else request_id()

    def pair() -> IssuedPair:
        return right[0] if scope == "code1" else right.pop()

    for _ in range(3):
        assert await answer(world, person(), wrong(pair(), client=machine())) is CodesWrong
    with pytest.raises(TooManyWrongCodes) as refused:
        await world.registration.preview(person(), typed_from(pair(), client=machine()))

    assert refused.value.retry_after == timedelta(hours=1)


@pytest.mark.rule("RM-03")
@pytest.mark.parametrize(("seconds", "open_again"), [(-1, False), (0, True), (1, True)])
async def test_wrong_codes_count_for_an_hour(database: Database, seconds: int, open_again: bool) -> None:
    world = World(database, wrong_pairs_per_member=1)
    who, pair = new_member(), await world.issue(await world.let())
    assert await answer(world, who, wrong(pair)) is CodesWrong
    world.clock.advance(timedelta(hours=1, seconds=seconds))

    found = await answer(world, who, typed_from(pair))

    assert found is (None if open_again else TooManyWrongCodes)


async def test_right_codes_do_not_count(database: Database) -> None:
    world = World(database, wrong_pairs_per_member=1, wrong_pairs_per_client=1, wrong_pairs_per_code1=1)
    who, pair = new_member(), await world.issue(await world.let())

    client = request_id()

    found = [await answer(world, who, typed_from(pair, client=client)) for _ in range(5)]

    assert found == [None] * 5


@pytest.mark.rule("RM-03")
async def test_of_two_hundred_guesses_at_once_ten_are_answered(world: World) -> None:
    pair = await world.issue(await world.let())
    start = asyncio.Event()

    async def guess() -> type[RuumError] | None:
        await start.wait()
        return await answer(world, new_member(), wrong(pair))

    guesses = [asyncio.create_task(guess()) for _ in range(200)]
    await asyncio.sleep(0)
    start.set()
    answers = Counter(await asyncio.gather(*guesses))

    assert answers == {CodesWrong: 10, TooManyWrongCodes: 190}
    assert await answer(world, new_member(), typed_from(pair)) is TooManyWrongCodes


async def test_old_tries_are_forgotten(world: World) -> None:
    await answer(world, new_member(), wrong(await world.issue(await world.let())))
    world.clock.advance(timedelta(hours=1))
    tries = WrongCodes.table().c
    old = sa.select(sa.func.count()).where(tries.until <= world.clock.now())

    async def left() -> int:
        async with world.database.reading() as session:
            return int((await session.execute(old)).scalar_one())

    assert await left() >= 3
    await world.codes.forget_old_tries()

    assert await left() == 0
