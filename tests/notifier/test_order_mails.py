"""What a mail about an order tells of it: number, lines, sums and means, asked of the store as it is sent (SK-27)."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from deploy.local.postgres import Postgres
from ruum.common.v1.common_pb2 import Address, Day
from ruum.points.v1 import events_pb2 as points
from ruum.sparekey.v1 import events_pb2 as sparekey
from ruum.store.v1 import events_pb2 as store
from ruum.store.v1 import store_pb2
from services.chassis.ids import new_id
from services.notifier.clients.store import StoreClient
from services.notifier.letters.domain import Writer
from services.texts import LANGUAGES, Language, Texts
from tests.notifier.test_nothing_personal_main import everything_kept
from tests.notifier.world import NUMBER, PORTAL, World, two_keys

ORDER = new_id("ord")
DAY = Day(iso="2026-05-12")

CONFIRMED: dict[Language, str] = {
    "ja": f"""
ご注文番号: {NUMBER}
発送予定日: 2026年5月12日

ご注文の内容
スペアキー（通常キー）
3,300円 × 2 = 6,600円

商品合計（税込）: 6,600円
クーポン（WELCOME）: -500円
送料: 0円
ポイント利用（300ポイント）: -300円
ご請求金額（税込）: 5,800円
お支払い方法: クレジットカード（一括払い・発送時にご請求）
付与予定ポイント: 58

ご注文の状況を見る
{PORTAL}/orders/{ORDER}
""",
    "en": f"""
Order number: {NUMBER}
Expected dispatch: May 12, 2026

Your order
Spare key (normal key)
¥3,300 × 2 = ¥6,600

Goods (tax included): ¥6,600
Coupon (WELCOME): -¥500
Shipping: ¥0
Points used (300): -¥300
Total to pay (tax included): ¥5,800
Payment: credit card, one payment, charged at dispatch
Points you will earn: 58

See your order
{PORTAL}/orders/{ORDER}
""",
    "zh_Hans": f"""
订单编号: {NUMBER}
预计发货日: 2026年5月12日

订单内容
备用钥匙（普通钥匙）
3,300日元 × 2 = 6,600日元

商品合计（含税）: 6,600日元
优惠券（WELCOME）: -500日元
运费: 0日元
使用积分（300积分）: -300日元
应付金额（含税）: 5,800日元
付款方式: 信用卡（一次付清，发货时扣款）
预计获得积分: 58

查看订单情况
{PORTAL}/orders/{ORDER}
""",
}


@pytest.mark.rule("SK-27")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("flow", ["spare-key", "goods"])
async def test_the_confirmation_shows_the_whole_order_as_the_page_does(
    world: World, language: Language, flow: str
) -> None:
    member = world.member(language, "山田 花子")
    placed: Any = (
        sparekey.KeyOrdered(header=world.header(member), order_id=ORDER, promised_dispatch_on=DAY)
        if flow == "spare-key"
        else store.OrderPlaced(header=world.header(member), order_id=ORDER, flow="goods")
    )

    await world.tell(placed)

    [mail] = await world.received(world.address(member))
    assert CONFIRMED[language] in mail["text"].replace("\r\n", "\n")
    for written in CONFIRMED[language].split("\n"):
        label, _, value = written.partition(": ")
        assert label in mail["html"]
        assert value in mail["html"]


class Shop:
    """A store with one order."""

    def __init__(self, order: store_pb2.Order) -> None:
        self.order = order

    async def GetOrder(self, request: store_pb2.GetOrderRequest) -> store_pb2.Order:  # noqa: N802  # the contract's
        return self.order


async def sums(order: store_pb2.Order, language: Language) -> list[tuple[str, str]]:
    """What an order's confirmation says of money."""
    purchase = await StoreClient(Shop(order)).purchase(ORDER)  # type: ignore[arg-type]  # it calls no other method
    writer = Writer(Texts.load(), PORTAL, "no-reply@ruum.me")
    receipt = writer.write("key-ordered", language, "", {"order_id": ORDER}, purchase).receipt
    assert receipt is not None
    return list(receipt.sums)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_means_has_its_words(language: Language) -> None:
    texts, known = Texts.load(), {number: word for word, number in store_pb2.Means.items() if number}

    for number, word in known.items():
        said = texts.render(f"mail-means-{word.removeprefix('MEANS_').lower()}", language)
        assert (texts.render("mail-fact-means", language), said) in await sums(two_keys(ORDER, number), language)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_an_order_does_not_have_is_not_named(language: Language) -> None:
    plain, texts = two_keys(ORDER), Texts.load()
    plain.coupon_code = ""
    plain.totals.CopyFrom(store_pb2.Totals(goods=6600, due=6600))

    said = await sums(plain, language)

    named = ("goods", "shipping", "total", "means")
    assert [label for label, _ in said] == [texts.render(f"mail-fact-{name}", language) for name in named]


@pytest.mark.rule("OP-11")
async def test_a_mail_waits_for_the_store_and_then_goes_out_once(world: World) -> None:
    member, order = world.member(), new_id("ord")
    world.store.away = True
    placed = sparekey.KeyOrdered(header=world.header(member), order_id=order, promised_dispatch_on=DAY)

    await world.tell(placed)
    await world.failing(placed, "service-unavailable")
    world.store.away = False

    await world.settled(placed, "sent")
    [mail] = await world.inbox(world.address(member))
    assert mail["copies"] == 1
    assert NUMBER in mail["text"]


async def test_the_store_is_asked_once_for_a_mail_and_never_for_one_about_no_order(world: World) -> None:
    member, order = world.member(), new_id("ord")
    about = sparekey.KeyLost(header=world.header(member), order_id=order)
    beside = points.PointsGranted(header=world.header(member), points=7)
    before = sum(world.store.asked.values())

    await world.tell(about, beside)

    for event in (about, beside):
        await world.settled(event, "sent")
    assert world.store.asked[order] == 1
    assert sum(world.store.asked.values()) - before == 1


@pytest.mark.rule("OP-03")
async def test_who_receives_the_key_and_where_stands_in_no_mail_and_is_kept_nowhere(
    world: World, postgres: Postgres
) -> None:
    mark, member, order = secrets.token_hex(8), world.member(), new_id("ord")
    whole = two_keys(order)
    whole.remarks = mark
    whole.recipient.CopyFrom(store_pb2.Recipient(name=mark, kana=mark, phone=mark))
    whole.address.CopyFrom(Address(postal_code=mark, prefecture=mark, city=mark, street=mark, building=mark))
    world.store.orders[order] = whole
    placed = sparekey.KeyOrdered(header=world.header(member), order_id=order, promised_dispatch_on=DAY)

    await world.tell(placed)

    await world.settled(placed, "sent")
    [mail] = await world.inbox(world.address(member))
    assert NUMBER in mail["text"]
    for kept in (mail["text"], mail["html"], await everything_kept(postgres), world.process.program.log.read_text()):
        assert mark not in kept
