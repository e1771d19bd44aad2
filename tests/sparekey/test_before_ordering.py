"""What is read before a key is chosen, and the notices: all in three languages (SK-03, SK-08, SK-09, SK-16, SK-31)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from ruum.sparekey.v1 import sparekey_pb2 as pb
from services.chassis import wire
from services.chassis.db import Database
from services.chassis.ids import new_id
from services.sparekey.cases.transitions import State
from services.sparekey.drafts.before_ordering import NOTICES, NOTICES_OF, figures
from services.sparekey.drafts.domain import NoticesOutdated
from services.sparekey.settings import Rules
from services.texts import LANGUAGES, Texts
from tests.sparekey.neighbours import lease
from tests.sparekey.world import World

TEXTS = Texts.load()
# A changed notice is another one: it needs a version of its own, and the digest of what that version says.
AGREED = {"2026-12-01": "77507e96bee400317451e3493392da9867d6a98bff3303300738f25cda799b49"}


def read(codes: Iterable[str], rules: Rules | None = None) -> dict[str, str]:
    """What a client shows for codes, by language."""
    params = figures(rules or Rules())
    return {language: "\n".join(TEXTS.render(code, language, **params) for code in codes) for language in LANGUAGES}


def says(codes: Iterable[str], **words: tuple[str, ...]) -> bool:
    texts = read(codes)
    return all(word in texts[language] for language in LANGUAGES for word in words[language])


async def options(world: World, *others: str) -> pb.Options:
    return wire.write(pb.Options, await world.domain.drafts.options(world.member, [world.room_id, *others]))


async def of_kinds(world: World, *others: str) -> tuple[pb.KindOption, pb.KindOption]:
    normal, ic = (await options(world, *others)).rooms[0].kinds
    assert (normal.kind, ic.kind) == (pb.KEY_KIND_NORMAL, pb.KEY_KIND_IC)
    return normal, ic


@pytest.mark.rule("SK-03")
async def test_which_kind_opens_what_is_said_before_the_choice(world: World) -> None:
    normal, ic = await of_kinds(world)

    assert says(
        normal.guide,
        ja=("玄関ドアを開ける", "オートロックは開けられません"),
        en=("Opens the door of your flat", "never opens the auto-lock"),
        zh_Hans=("可以打开房间的门", "打不开楼栋入口的自动门锁"),
    )
    assert says(
        ic.guide,
        ja=("玄関ドアと、e-タッチ対応のオートロックを開ける", "鍵の中央に灰色の部分があります"),
        en=("the door of your flat and an e-touch auto-lock", "has a grey part in its middle"),
        zh_Hans=("也可以打开支持e-touch的自动门锁", "钥匙中央有灰色部分"),
    )


@pytest.mark.rule("SK-09")
async def test_how_a_genuine_key_is_known_and_for_whom_it_is_made_is_said_before_the_choice(world: World) -> None:
    guide = (await options(world)).guide

    assert says(
        guide,
        ja=("持ち手が青く、鍵メーカーの名前", "鍵番号", "シリンダーを傷める", "管理する建物にお住まいの方のためだけ"),
        en=(
            "its grip is blue and bears the key maker's name",
            "key number",
            "damage the cylinder",
            "buildings we manage",
        ),
        zh_Hans=("手柄为蓝色，并印有钥匙厂家的名称", "钥匙编号", "损坏锁芯", "管理的楼栋的住户"),
    )


@pytest.mark.rule("SK-16")
async def test_the_buyer_of_an_ic_key_is_asked_to_check_key_and_entrance_first(world: World) -> None:
    normal, ic = await of_kinds(world)

    check = set(ic.guide) - set(normal.guide)
    assert says(
        check,
        ja=("今お使いの鍵の中央に灰色の部分", "白いe-タッチ読取機"),
        en=("your present key has a grey part", "white e-touch reader"),
        zh_Hans=("现在使用的钥匙中央是否有灰色部分", "白色e-touch读卡器"),
    )


@pytest.mark.rule("SK-16")
async def test_with_several_rooms_the_building_of_an_ic_key_is_shown_large(world: World) -> None:
    second = new_id("room")
    world.rooms.leases[world.member_id, second] = lease(building_name="コーポ東")

    alone, several = await options(world), await options(world, second)

    assert [it.shows_building_large for it in alone.rooms[0].kinds] == [False, False]
    assert [[it.shows_building_large for it in room.kinds] for room in several.rooms] == [[False, True]] * 2
    assert several.rooms[1].building_name == "コーポ東"


@pytest.mark.rule("SK-08")
async def test_the_notices_are_whole_for_each_kind_and_say_that_the_japanese_ones_bind(world: World) -> None:
    shared = (await options(world)).notices
    normal, ic = await of_kinds(world)
    charge = f"{world.rules.redelivery_charge}"

    assert not normal.notices
    assert says(
        shared,
        ja=(
            "契約のお部屋の住所に限ります",
            "VとW、6と8",
            "書留",
            "取消しと返品はできません",
            charge,
            "日本語の文面を正式",
        ),
        en=(
            "on your lease",
            "V and W, and 6 and 8",
            "registered mail",
            "neither cancelled nor returned",
            charge,
            "binding",
        ),
        zh_Hans=("租约上所记载房间的地址", "V和W、6和8", "挂号信", "不接受", charge, "以日文版本为准"),
    )
    assert says(
        ic.notices,
        ja=("お届け先の建物に合わせて", "e-タッチの読取機がない"),
        en=("the building it is delivered to", "no e-touch reader"),
        zh_Hans=("按收货的楼栋", "没有e-touch读卡器"),
    )


@pytest.mark.rule("SK-08")
def test_other_notices_have_another_version(world: World) -> None:
    codes = [*NOTICES, *(code for kind in sorted(NOTICES_OF) for code in NOTICES_OF[kind])]

    digest = hashlib.sha256(repr((codes, read(codes))).encode()).hexdigest()

    assert digest == AGREED[world.rules.notices_text]


@pytest.mark.rule("SK-08")
async def test_another_charge_stands_in_the_notices_and_has_to_be_agreed_to_anew(
    database: Database, keys_file: Path, world: World
) -> None:
    dearer = World(database, keys_file, redelivery_charge=1940, storage_months=2)

    usual, given = await options(world), await options(dearer)

    for language, months in (("ja", "約2か月間"), ("en", "about 2 months"), ("zh_Hans", "约2个月")):
        notices = read(given.notices, dearer.rules)[language]
        assert "1,940" in notices
        assert months in notices
    assert given.params == figures(dearer.rules)
    assert given.notices_version != usual.notices_version
    with pytest.raises(NoticesOutdated):
        await dearer.draft(notices_version=usual.notices_version)


@pytest.mark.rule("SK-31")
async def test_the_recipient_is_told_of_registered_mail_into_their_hands_before_ordering(world: World) -> None:
    notices = (await options(world)).notices

    assert says(
        notices,
        ja=("書留郵便でお送りし、お届け先のご本人に手渡し", "宅配ボックスへのお届けや置き配はできません"),
        en=("registered mail and handed to the recipient in person", "parcel box or left at your door"),
        zh_Hans=("挂号信寄出，当面交给收件人本人", "不能投入快递柜，也不能放在门口"),
    )


@pytest.mark.rule("SK-31")
async def test_a_key_leaves_for_the_first_time_by_the_post_alone(world: World) -> None:
    order_id = await world.released()

    await world.dispatched(order_id, carrier="parcel")
    assert (await world.case(order_id)).state == State.RELEASED
    await world.dispatched(order_id, carrier="post")

    assert (await world.case(order_id)).state == State.DISPATCHED
    assert says(
        [(await world.seen(order_id)).outlook.next],
        ja=("書留", "ご本人"),
        en=("registered mail",),
        zh_Hans=("挂号信", "本人"),
    )
