"""Pages that mails and partners lead to: they answer everybody, and show an order to its member only (OP-11, PO-10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from ruum.sparekey.v1 import sparekey_pb2
from ruum.store.v1 import store_pb2
from services.chassis.errors import Kind, RemoteError
from services.chassis.ids import new_id
from services.gateway.pages.table import PAGES
from services.notifier.letters.domain import Writer
from services.notifier.letters.models import KINDS
from services.rooms.codes.domain import PATH as QR_PATH
from services.texts import LANGUAGES, Language, Texts
from tests.gateway.fakes import Fake, Members
from tests.gateway.house import House
from tests.notifier.test_letters import FACTS

Neighbours = Mapping[str, Fake]
ORDER = new_id("ord")
TAGS: dict[Language, str] = {"ja": "ja", "en": "en", "zh_Hans": "zh-Hans"}
BACK = f"/orders/{ORDER}/payer-returned"


def key_order(**more: Any) -> sparekey_pb2.KeyOrder:
    order = sparekey_pb2.KeyOrder(order_id=ORDER, state=sparekey_pb2.CASE_STATE_NUMBER_ASKED, **more)
    order.order.order_number = "1234567890"
    return order


def payment(state: int, **more: Any) -> store_pb2.PaymentView:
    view = store_pb2.PaymentView(payment_id=new_id("pay"), state=state, **more)  # type: ignore[arg-type]  # an enum's number
    view.action_until.FromDatetime(datetime(2026, 5, 3, 6, 30, tzinfo=UTC))
    return view


@pytest.fixture
def asked(house: House, neighbours: Neighbours) -> sparekey_pb2.KeyOrder:
    """The member's order, whose number the maker does not know."""
    order = key_order(next="key-next-your-key-number")
    order.until.FromDatetime(datetime(2026, 5, 10, 15, tzinfo=UTC))  # the end of the 10th in Japan
    told = order.timeline.add(code="key-number-asked")
    told.at.FromDatetime(datetime(2026, 5, 3, 6, 4, tzinfo=UTC))
    told.params["until"] = "2026-05-10"
    neighbours["sparekey"].answers["GetKeyOrder"] = order
    return order


def links_of(house: House, letter: str, language: Language) -> set[str]:
    """Where a letter leads, found in its text as its reader finds it."""
    writer = Writer(Texts.load(), house.url, "no-reply@ruum.example")
    mail = writer.mail(writer.write(letter, language, "Hana", FACTS), "hana@example.jp", "dlv_1", datetime.now(UTC))
    body = mail.get_body(("html",))
    assert body is not None
    return set(re.findall(r'href="([^"]+)"', str(body.get_content())))


def is_page(answer: httpx.Response, language: Language) -> bool:
    return (
        answer.headers["content-type"] == "text/html; charset=utf-8"
        and answer.headers["content-language"] == TAGS[language]
        and f'<html lang="{TAGS[language]}">' in answer.text
        and answer.text.count("<h1>") == 1
    )


def chosen(members: Members, language: Language) -> Any:
    """The members as they are, who all chose a language."""

    async def issue(request: Any) -> Any:
        answer: Any = await members.issue(request)
        answer.language = language
        return answer

    return issue


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_link_of_every_mail_leads_to_a_page(house: House, language: Language) -> None:
    links = {link for letter in KINDS for link in links_of(house, letter, language)}

    answers = {link: await house.get(link, headers={"Accept-Language": TAGS[language]}) for link in links}

    assert len(links) > 9
    assert {link for link, it in answers.items() if it.status_code != 200 or not is_page(it, language)} == set()
    assert len({it.text.partition("<h1>")[2].partition("</h1>")[0] for it in answers.values()}) == len(links)


async def test_the_link_of_a_leases_qr_leads_to_a_page_that_shows_no_code(house: House) -> None:
    answer = await house.get(f"{QR_PATH}?code1=ABCD-EFGH&code2=JKLM-NPQR")

    assert (answer.status_code, is_page(answer, "ja")) == (200, True)
    assert not re.search("ABCD|JKLM", answer.text)


@pytest.mark.rule("PO-02")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_a_page_needs_nothing_that_its_strict_policy_forbids(
    house: House, session: str, asked: Any, page: Any
) -> None:
    answer = await house.get(page.path.format(order_id=ORDER), session)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script|<style|style=|<img|<form|\son\w+=", answer.text)
    [sheet] = re.findall(r'<link rel="stylesheet" href="([^"]+)"', answer.text)
    assert (await house.get(sheet)).headers["content-type"] == "text/css; charset=utf-8"


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ja", ["1234567890", "2026年5月3日 15:04", "2026年5月10日まで"]),
        ("en", ["Order number 1234567890", "May 3, 2026", "By the end of May 10, 2026"]),
        ("zh_Hans", ["订单编号 1234567890", "2026年5月3日", "截至2026年5月10日"]),
    ],
)
async def test_an_orders_page_says_what_was_what_comes_next_and_until_when(
    house: House,
    session: str,
    neighbours: Neighbours,
    members: Members,
    asked: Any,
    language: Language,
    words: list[str],
) -> None:
    neighbours["identity"].answers["IssueToken"] = chosen(members, language)

    answer = await house.get(f"/orders/{ORDER}", session, headers={"Accept-Language": "fr"})

    assert is_page(answer, language)
    for said in (*words, Texts.load().render("key-next-your-key-number", language)):
        assert said in answer.text
    assert neighbours["sparekey"].asked[0][2] == members.who(session)


async def test_a_browsers_cookie_opens_the_page_as_well(house: House, session: str, asked: Any) -> None:
    answer = await house.get(f"/orders/{ORDER}", headers={"Cookie": f"__Host-ruum={session}"})

    assert "1234567890" in answer.text


@pytest.mark.rule("PR-15")
@pytest.mark.parametrize("path", [page.path for page in PAGES if page.shows != "nothing"])
@pytest.mark.parametrize(
    "order_id", [ORDER, "ord_forged", "%3Cscript%3E", "x" * 500], ids=["anothers", "none", "script", "long"]
)
async def test_of_an_order_that_is_anothers_or_none_nothing_shows(
    house: House, session: str, neighbours: Neighbours, path: str, order_id: str
) -> None:
    for service, method in (("sparekey", "GetKeyOrder"), ("sparekey", "GetDraft"), ("store", "PayerReturned")):
        neighbours[service].answers[method] = RemoteError(Kind.NOT_FOUND, "not-found")

    answer = await house.get(path.format(order_id=order_id), session)

    assert (answer.status_code, is_page(answer, "ja")) == (404, True)
    assert order_id not in answer.text
    assert "script" not in answer.text


@pytest.mark.parametrize("session", ["", "a-session-that-has-ended"])
async def test_whoever_is_not_signed_in_is_told_to_and_nobody_is_asked(
    house: House, neighbours: Neighbours, session: str
) -> None:
    for path in (f"/orders/{ORDER}", BACK):
        answer = await house.get(path, session, headers={"Accept-Language": "en"})

        assert answer.status_code == 200
        assert "Please sign in" in answer.text
        assert ORDER not in answer.text
    assert not neighbours["sparekey"].asked
    assert not neighbours["store"].asked


@pytest.mark.parametrize(
    ("view", "says"),
    [
        (payment(store_pb2.PAYMENT_STATE_AUTHORISED), "Your payment is arranged"),
        (payment(store_pb2.PAYMENT_STATE_CAPTURED), "Your payment is arranged"),
        (payment(store_pb2.PAYMENT_STATE_ON_HOLD), "still reviewing"),
        (payment(store_pb2.PAYMENT_STATE_UNKNOWN), "You will not be charged twice"),
        (payment(store_pb2.PAYMENT_STATE_VOIDED), "nothing is charged"),
        (payment(store_pb2.PAYMENT_STATE_DECLINED, decline_code="epos-declined"), "EPOS did not approve"),
        (RemoteError(Kind.NOT_FOUND, "not-found"), "nothing is charged"),
    ],
)
async def test_whoever_comes_back_from_the_partners_page_is_told_the_outcome_however_often(
    house: House, session: str, neighbours: Neighbours, members: Members, view: Any, says: str
) -> None:
    placing = key_order()
    placing.state = sparekey_pb2.CASE_STATE_PLACING
    neighbours["identity"].answers["IssueToken"] = chosen(members, "en")
    neighbours["sparekey"].answers["GetKeyOrder"] = placing
    neighbours["store"].answers["PayerReturned"] = view

    answers = [await house.get(BACK, session) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert all(says in answer.text for answer in answers)
    returned = [(request.order_id, who) for method, request, who in neighbours["store"].asked]
    assert returned == [(ORDER, members.who(session))] * 2
    assert len({request.request_id for _, request, _ in neighbours["store"].asked}) == 2


@pytest.mark.rule("ST-23")
async def test_what_could_not_be_paid_is_told_also_when_it_is_a_draft_again(
    house: House, session: str, neighbours: Neighbours, members: Members
) -> None:
    neighbours["identity"].answers["IssueToken"] = chosen(members, "en")
    for service, method in (("sparekey", "GetKeyOrder"), ("store", "PayerReturned")):
        neighbours[service].answers[method] = RemoteError(Kind.NOT_FOUND, "not-found")

    answer = await house.get(BACK, session)

    assert answer.status_code == 200
    assert "nothing is charged" in answer.text
    assert neighbours["sparekey"].asked[-1][0] == "GetDraft"


async def test_a_payer_who_came_back_too_early_finds_the_way_to_go_on(
    house: House, session: str, neighbours: Neighbours, members: Members
) -> None:
    placing = key_order()
    placing.state = sparekey_pb2.CASE_STATE_PLACING
    neighbours["identity"].answers["IssueToken"] = chosen(members, "en")
    neighbours["sparekey"].answers["GetKeyOrder"] = placing
    neighbours["store"].answers["PayerReturned"] = payment(
        store_pb2.PAYMENT_STATE_REQUIRES_ACTION, redirect_url="https://epos.example/pay?a=1&b=2"
    )

    answer = await house.get(BACK, session)

    assert 'href="https://epos.example/pay?a=1&amp;b=2"' in answer.text
    assert "by May 3, 2026" in answer.text


async def test_of_an_order_that_was_cancelled_later_no_failed_payment_is_told(
    house: House, session: str, neighbours: Neighbours, members: Members
) -> None:
    cancelled = key_order(next="key-next-nothing-cancelled")
    cancelled.state = sparekey_pb2.CASE_STATE_CANCELLED
    neighbours["identity"].answers["IssueToken"] = chosen(members, "en")
    neighbours["sparekey"].answers["GetKeyOrder"] = cancelled
    neighbours["store"].answers["PayerReturned"] = payment(store_pb2.PAYMENT_STATE_VOIDED)

    answer = await house.get(BACK, session)

    assert "is not placed" not in answer.text
    assert "The cancellation is complete" in answer.text


@pytest.mark.rule("PO-04")
async def test_while_a_service_is_away_the_page_says_so(house: House, session: str, neighbours: Neighbours) -> None:
    neighbours["sparekey"].answers["GetKeyOrder"] = RemoteError(Kind.UNAVAILABLE, "service-unavailable")

    answer = await house.get(f"/orders/{ORDER}", session)

    assert (answer.status_code, is_page(answer, "ja")) == (503, True)


async def test_what_a_newer_service_tells_is_left_out(house: House, session: str, asked: Any) -> None:
    asked.timeline.add(code="key-flew-away")

    answer = await house.get(f"/orders/{ORDER}", session)

    assert answer.status_code == 200
    assert "key-flew-away" not in answer.text
