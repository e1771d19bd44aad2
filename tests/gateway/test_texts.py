"""What codes say, and the way to reach us: what the gateway answers by itself (PO-10, SK-29)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from ruum.sparekey.v1 import sparekey_pb2 as pb
from ruum.store.v1 import store_pb2
from services.chassis.errors import NotFound
from services.chassis.ids import new_id
from services.gateway.routes.texts import MOST
from services.sparekey.notices import GUIDE, GUIDE_OF, NOTICES, NOTICES_OF
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
    texts, language = Texts.load(), LANGUAGE[asked]

    answer = await house.get("/api/v1/texts", params={"code": BEFORE_ORDERING}, headers={"Accept-Language": asked})

    assert answer.status_code == 200
    assert answer.json() == {
        "language": language,
        "texts": {code: texts.render(code, language) for code in BEFORE_ORDERING},
    }


@pytest.mark.parametrize("code", ["no-such-text", "key-ordered", "", "KEY-READY"])
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
