from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.errors import Changed, InvalidField, NotFound
from services.identity.profiles.domain import PostalAddress, ProfileView, UpdateProfile
from tests.identity.world import World, request_id
from tests.support.insisting import insisting

HANA = "hana@example.jp"
HOME = PostalAddress(
    postal_code="108-0075", prefecture="東京都", city="港区", street="港南2-16-1", building="コーポ花 203号室"
)


@pytest.fixture
async def hana(world: World) -> Caller:
    return await world.caller(await world.member(HANA))


async def edit(world: World, who: Caller, version: int = 1, **fields: Any) -> ProfileView:
    asked = UpdateProfile.model_validate({"request_id": request_id(), "version": version, **fields})
    return await world.domain.profiles.update(who, asked)


@pytest.mark.rule("ID-20")
async def test_a_profile_holds_what_a_member_tells(world: World, hana: Caller) -> None:
    told: dict[str, Any] = {
        "name": "佐藤 花",
        "kana": "サトウ ハナ",
        "birth_date": "1990-02-28",
        "telephone": "03-1234-5678",
    }

    await edit(world, hana, **told, language="en", address=HOME)

    profile = await world.domain.profiles.own(hana)
    assert (profile.name, profile.kana, profile.birth_date) == ("佐藤 花", "サトウ ハナ", date(1990, 2, 28))
    assert (profile.telephone, profile.email, profile.language) == ("+81312345678", HANA, "en")
    assert (profile.postal_code, profile.prefecture, profile.building) == ("1080075", "東京都", "コーポ花 203号室")


@pytest.mark.rule("ID-20")
async def test_each_edit_makes_a_version_and_an_older_one_cannot_be_edited(world: World, hana: Caller) -> None:
    assert (await edit(world, hana, name="佐藤 花")).version == 2

    with pytest.raises(Changed):
        await edit(world, hana, version=1, name="鈴木 花")

    profile = await world.domain.profiles.own(hana)
    assert (profile.name, profile.version) == ("佐藤 花", 2)


async def test_of_two_edits_of_one_version_one_is_made(world: World, hana: Caller) -> None:
    barrier = asyncio.Barrier(20)

    async def one(turn: int) -> bool:
        await barrier.wait()
        try:
            await insisting(lambda: edit(world, hana, name=f"花 {turn}"))
        except Changed:
            return False
        return True

    assert sum(await asyncio.gather(*(one(turn) for turn in range(20)))) == 1
    assert (await world.domain.profiles.own(hana)).version == 2


async def test_what_is_not_told_stays_and_what_is_empty_goes(world: World, hana: Caller) -> None:
    await edit(world, hana, name="佐藤 花", birth_date="1990-02-28", telephone="03-1234-5678", address=HOME)

    profile = await edit(world, hana, version=2, birth_date="", telephone="", address=PostalAddress())

    assert (profile.name, profile.birth_date, profile.telephone, profile.city) == ("佐藤 花", None, "", "")


async def test_whoever_states_no_telephone_is_rung_at_the_proved_number(world: World) -> None:
    umi = await world.caller(await world.member("090-1234-5678"))

    assert (await world.domain.profiles.own(umi)).telephone == "+819012345678"
    assert (await edit(world, umi, telephone="050-1234-5678")).telephone == "+815012345678"
    assert (await world.domain.profiles.own(umi)).phone == "+819012345678"


@pytest.mark.parametrize("written", ["さとう はな", "ｻﾄｳ ﾊﾅ", "サトウ　ハナ", " サトウ ハナ "])
async def test_a_reading_is_kept_in_katakana_however_it_is_typed(world: World, hana: Caller, written: str) -> None:
    assert (await edit(world, hana, kana=written)).kana == "サトウ ハナ"


@pytest.mark.parametrize("written", ["1080075", "108-0075", "１０８－００７５", " 108-0075 "])
async def test_a_postal_code_is_kept_as_seven_digits(world: World, hana: Caller, written: str) -> None:
    address = HOME.model_copy(update={"postal_code": written})

    assert (await edit(world, hana, address=address)).postal_code == "1080075"


WRONG: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"name": "花\u200b子\u202e"}, {"name": "field-unprintable"}),
    ({"kana": "Sato Hana"}, {"kana": "kana-not-katakana"}),
    ({"birth_date": "1990-02-30"}, {"birth_date": "birth-date-impossible"}),
    ({"birth_date": "1899-12-31"}, {"birth_date": "birth-date-impossible"}),
    ({"birth_date": "28.2.1990"}, {"birth_date": "birth-date-impossible"}),
    ({"telephone": "12"}, {"telephone": "telephone-malformed"}),
    ({"address": HOME.model_copy(update={"postal_code": "10800"})}, {"address.postal_code": "postal-code-malformed"}),
    ({"address": HOME.model_copy(update={"city": " "})}, {"address.city": "field-required"}),
    ({"address": HOME.model_copy(update={"street": "あ" * 101})}, {"address.street": "field-string-max-len"}),
    ({"kana": "x", "telephone": "x"}, {"kana": "kana-not-katakana", "telephone": "telephone-malformed"}),
]


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize(("fields", "violations"), WRONG)
async def test_each_wrong_field_is_named_and_nothing_changes(
    world: World, hana: Caller, fields: dict[str, Any], violations: dict[str, str]
) -> None:
    before = await world.domain.profiles.own(hana)

    with pytest.raises(InvalidField) as refused:
        await edit(world, hana, **{"language": "en", **fields})

    assert {each.field: each.code for each in refused.value.violations} == violations
    assert await world.domain.profiles.own(hana) == before


@pytest.mark.parametrize(("day", "is_taken"), [("2026-05-01", True), ("2026-05-02", False)])
async def test_nobody_is_born_tomorrow_by_the_clocks_of_japan(
    world: World, hana: Caller, clock: FixedClock, day: str, is_taken: bool
) -> None:
    clock.advance(timedelta(hours=11, minutes=59))

    if is_taken:
        assert (await edit(world, hana, birth_date=day)).birth_date == date.fromisoformat(day)
    else:
        with pytest.raises(InvalidField):
            await edit(world, hana, birth_date=day)


async def test_an_edit_touches_the_own_profile_only(world: World, hana: Caller) -> None:
    umi = await world.caller(await world.member("umi@example.jp"))

    await edit(world, hana, name="佐藤 花")

    assert (await world.domain.profiles.own(umi)).name == ""


async def test_an_invented_member_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.domain.profiles.of("mem_01jzzzzzzzzzzzzzzzzzzzzzzz")
