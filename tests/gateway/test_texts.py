"""What codes say, and the way to reach us: what the gateway answers by itself (PO-10, SK-29)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from ruum.sparekey.v1 import sparekey_pb2 as pb
from ruum.store.v1 import store_pb2
from services.chassis.errors import NotFound
from services.chassis.ids import new_id
from services.gateway.routes.texts import MOST
from services.sparekey.drafts.before_ordering import GUIDE, GUIDE_OF, NOTICES, NOTICES_OF, figures
from services.sparekey.settings import Rules
from services.texts import Language, Texts
from tests.gateway.fakes import Fake
from tests.gateway.house import House

BEFORE_ORDERING = [*GUIDE, *sum(GUIDE_OF.values(), ()), *NOTICES, *sum(NOTICES_OF.values(), ())]
LANGUAGE: dict[str, Language] = {"ja": "ja", "en-GB": "en", "zh-TW": "zh_Hans", "fr": "ja"}


@pytest.mark.rule("PO-10")
@pytest.mark.parametrize("asked", LANGUAGE)
async def test_all_that_is_read_before_ordering_a_key_is_given_in_the_language_asked_for(
    house: House, asked: str
) -> None:
    texts, language, params = Texts.load(), LANGUAGE[asked], figures(Rules())
    # What the options answer: codes, and one set of parameters for all of them.
    codes = [f"{code}?{urlencode(params)}" for code in BEFORE_ORDERING]

    answer = await house.get("/api/v1/texts", params={"code": codes}, headers={"Accept-Language": asked})

    assert answer.status_code == 200
    said = {code: texts.render(bare, language, **params) for code, bare in zip(codes, BEFORE_ORDERING, strict=True)}
    assert answer.json() == {"language": language, "texts": said}


# As orders answer them: the codes of a timeline with their parameters, by language.
SPEAKING: dict[Language, dict[str, str]] = {
    "ja": {
        "key-ordered?promised_on=2026-06-01": "ご注文を承りました。発送予定日は2026年6月1日です。",
        "key-dispatched?tracking_number=12%2634+5": "発送しました。お問い合わせ番号は12&34 5です。",
        "key-redelivery-requested?charge=1935": "再配送のお申し込みを承りました（代金引換 1,935円）。",
        "key-ready": "鍵ができあがりました。",
    },
    "en": {
        "key-ordered?promised_on=2026-06-01": "We received your order. Dispatch is promised by June 1, 2026.",
        "key-reminded-storage-ends?days=1": "We reminded you that storage at the maker ends (1 day left).",
        "key-reminded-storage-ends?days=7": "We reminded you that storage at the maker ends (7 days left).",
    },
    "zh_Hans": {
        "key-redelivery-requested?charge=1935&beside=it": "已受理重新配送的申请（货到付款1,935日元）。",
        "key-number-asked?until=2026-06-08": "没有找到该钥匙编号。请在2026年6月8日之前告知正确的编号。",
    },
}


@pytest.mark.rule("PO-10")
@pytest.mark.parametrize("language", SPEAKING)
async def test_a_text_that_speaks_of_something_is_given_with_it_as_people_there_write_it(
    house: House, language: Language
) -> None:
    asked = SPEAKING[language]

    answer = await house.get(
        "/api/v1/texts", params={"code": list(asked)}, headers={"Accept-Language": language.replace("_", "-")}
    )

    assert answer.json() == {"language": language, "texts": asked}


@pytest.mark.parametrize(
    "code",
    [
        "key-ordered",
        "key-ordered?",
        "key-ordered?promised=2026-06-01",
        "key-ordered?promised_on=",
        "key-ordered?promised_on=2026-02-30",
        "key-ordered?promised_on=0001-01-01T00:00:00%2B14:00",
        "key-redelivery-requested?charge=much",
        f"key-redelivery-requested?charge={'9' * 5000}",
        f"key-ready?{'a=1&' * 21}",
    ],
)
async def test_what_a_text_speaks_of_is_named_when_it_is_missing_or_cannot_be_read(house: House, code: str) -> None:
    answer = await house.get("/api/v1/texts", params={"code": ["key-ready", code]}, headers={"Accept-Language": "en"})

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"], error["code"]) == (400, "code[1]", "text-speaks-of")
    for name in Texts.load().codes("en")[code.partition("?")[0]].placeholders:
        assert name in error["detail"]


@pytest.mark.parametrize("code", ["no-such-text", "no-such-text?charge=1", "", "?", "KEY-READY"])
async def test_a_code_without_a_text_of_its_own_is_named_by_its_place(house: House, code: str) -> None:
    answer = await house.get("/api/v1/texts", params={"code": ["key-ready", code]})

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (404, "text-unknown")
    assert [(it["field"], it["code"]) for it in problem["errors"]] == [("code[1]", "text-unknown")]


@pytest.mark.parametrize(
    ("params", "field", "rule"),
    [
        ({}, "code", "field-required"),
        ({"code": ["key-ready"] * (MOST + 1)}, "code", "field-repeated-max-items"),
        ({"code": "key-ready", "language": "en"}, "language", "field-unknown"),
    ],
)
async def test_what_is_no_question_for_texts_is_refused_naming_why(
    house: House, params: Mapping[str, str | list[str]], field: str, rule: str
) -> None:
    answer = await house.get("/api/v1/texts", params=params)

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"], error["code"]) == (400, field, rule)


def a_draft() -> pb.Draft:
    name = store_pb2.LocalText(ja="スペアキー（ICキー）", en="Spare key (IC)", zh_hans="备用钥匙（IC钥匙）")
    checkout = store_pb2.Checkout(lines=[store_pb2.Line(name=name)])
    return pb.Draft(building_name="メゾン北一条", room_number="203", checkout=checkout)


@pytest.mark.rule("SK-29")
@pytest.mark.parametrize(
    ("asked", "subject"),
    [
        ("ja", "お届け先の住所が違う：スペアキー（ICキー）／メゾン北一条 203"),
        ("en", "Wrong delivery address: Spare key (IC) / メゾン北一条 203"),
        ("zh-Hans", "收货地址有误：备用钥匙（IC钥匙）／メゾン北一条 203"),
    ],
)
async def test_who_finds_the_address_wrong_gets_the_way_to_us_with_product_and_room_named(
    house: House, session: str, neighbours: Mapping[str, Fake], asked: str, subject: str
) -> None:
    order_id = new_id("ord")
    neighbours["sparekey"].answers["GetDraft"] = a_draft()
    path = f"/api/v1/spare-keys/drafts/{order_id}/wrong-address"

    answer = (await house.get(path, session, headers={"Accept-Language": asked})).json()

    assert [request.order_id for _, request, _ in neighbours["sparekey"].asked] == [order_id]
    assert (answer["mail"], answer["subject"]) == ("help@ruum.example", subject)
    link = urlsplit(answer["link"])
    assert (link.scheme, link.path, parse_qs(link.query)) == ("mailto", "help@ruum.example", {"subject": [subject]})


async def test_nobody_learns_product_or_room_of_another_members_draft(
    house: House, session: str, neighbours: Mapping[str, Fake]
) -> None:
    neighbours["sparekey"].answers["GetDraft"] = NotFound()
    path = f"/api/v1/spare-keys/drafts/{new_id('ord')}/wrong-address"

    answers = [await house.get(path, session), await house.get(path)]

    assert [(it.status_code, it.json()["code"]) for it in answers] == [(404, "not-found"), (401, "not-signed-in")]
