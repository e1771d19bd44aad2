"""The maker's adapter against the maker's stand-in, a process of its own, over HTTP (SK-51, QA-05)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest

from deploy.local.ports import free_port
from services.chassis.ids import new_id
from services.sparekey.cases.models import Kind
from services.sparekey.numbers.models import KeyNumber
from services.sparekey.partners.maker import HttpMaker
from services.sparekey.ports import Destination, MakerAway, MakerRefused, Ordered
from tests.sandbox.harness import BEARERS, Sandbox, receiving
from tests.sparekey.neighbours import ADDRESS, RECIPIENT
from tests.support.maintenance import under_maintenance

NUMBER = KeyNumber("AB12CD34")
UNKNOWN = KeyNumber("AB120000")
KEYS = Ordered(Kind.NORMAL, 2, "B-0001")
IC_KEYS = Ordered(Kind.IC, 1, "B-0001")
TO = Destination(RECIPIENT, ADDRESS)
ELSEWHERE = Destination(RECIPIENT, {**ADDRESS, "street": "北二条西2-2"})

_serial = count()


def key() -> str:
    return f"test/{next(_serial)}/{new_id('key')}"


@pytest.fixture(scope="module")
async def stand_in(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with receiving() as receiver:
        sandbox = Sandbox(tmp_path_factory.mktemp("maker"), receiver)
        await sandbox.start()
        yield sandbox
        await sandbox.close()


@pytest.fixture
async def maker(stand_in: Sandbox) -> AsyncIterator[HttpMaker]:
    """The adapter, at a maker that does nothing by itself and is well."""
    await stand_in.press("reset")
    await stand_in.fault("maker")
    for name in ("check", "ready", "dispatch"):
        await stand_in.automatic(f"maker.{name}", on=False)
    adapter = HttpMaker(f"{stand_in.url}/maker/", BEARERS["maker"])
    yield adapter
    await adapter.close()


@pytest.mark.rule("SK-51")
async def test_a_number_is_looked_up_once_for_each_key(maker: HttpMaker, stand_in: Sandbox) -> None:
    order_id, once = new_id("ord"), key()

    first = await maker.check(once, order_id, NUMBER, Kind.NORMAL)
    again = await maker.check(once, order_id, NUMBER, Kind.NORMAL)
    second = await maker.check(key(), order_id, NUMBER, Kind.NORMAL)

    assert first == again != second
    assert len(await stand_in.seen("checks", q=order_id)) == 2


@pytest.mark.rule("SK-51")
async def test_the_whole_way_of_a_key(maker: HttpMaker, stand_in: Sandbox) -> None:
    order_id = new_id("ord")

    await maker.order(key(), order_id, NUMBER, IC_KEYS, TO)
    await stand_in.press(f"orders/{order_id}/ready")
    await maker.release(key(), order_id, ELSEWHERE)
    sent = await stand_in.press(f"orders/{order_id}/dispatch")
    parcel = sent["tracking"][0]["tracking_number"]
    await stand_in.press(f"parcels/{parcel}/events", kind="returned")
    await maker.redeliver(key(), order_id, TO, 935)
    again = await stand_in.press(f"orders/{order_id}/dispatch")

    assert (sent["kind"], sent["building_code"]) == ("ic", "B-0001")
    assert sent["address"]["street"] == "北二条西2-2"
    assert (again["address"]["street"], again["tracking"][1]["carrier"]) == ("北一条西1-1", "parcel")


async def test_an_order_that_exists_is_the_one_that_was_asked_for(maker: HttpMaker, stand_in: Sandbox) -> None:
    order_id = new_id("ord")

    await maker.order(key(), order_id, NUMBER, KEYS, TO)
    await maker.order(key(), order_id, NUMBER, KEYS, TO)

    (made,) = await stand_in.seen("orders", q=order_id)
    assert made["quantity"] == 2


async def test_an_order_that_exists_and_was_stopped_is_made_anew(maker: HttpMaker, stand_in: Sandbox) -> None:
    order_id, once = new_id("ord"), key()
    await maker.order(key(), order_id, NUMBER, KEYS, TO)
    await maker.stop(key(), order_id)

    for _ in range(2):
        await maker.order(once, order_id, NUMBER, KEYS, TO)

    (made,) = await stand_in.seen("orders", q=order_id)
    assert (made["state"], made["making"]) == ("making", 2)


@pytest.mark.parametrize("state", ["never heard of", "making", "sent"])
async def test_stopping_is_done_as_far_as_it_can_be(maker: HttpMaker, stand_in: Sandbox, state: str) -> None:
    order_id = new_id("ord")
    if state != "never heard of":
        await maker.order(key(), order_id, NUMBER, KEYS, TO)
    if state == "sent":
        await stand_in.press(f"orders/{order_id}/ready")
        await maker.release(key(), order_id, TO)
        await stand_in.press(f"orders/{order_id}/dispatch")

    in_time = await maker.stop(key(), order_id)

    kept = await stand_in.seen("orders", q=order_id)
    expected = {"never heard of": [], "making": ["stopped"], "sent": ["dispatched"]}
    assert [it["state"] for it in kept] == expected[state]
    assert in_time is (state != "sent")


async def test_a_destroyed_key_is_made_again(maker: HttpMaker, stand_in: Sandbox) -> None:
    order_id, once = new_id("ord"), key()
    await maker.order(key(), order_id, NUMBER, KEYS, TO)
    await stand_in.press(f"orders/{order_id}/ready")
    await stand_in.press(f"orders/{order_id}/destroyed")

    for _ in range(2):
        await maker.remake(once, order_id)

    (made,) = await stand_in.seen("orders", q=order_id)
    assert made["making"] == 2


@pytest.mark.parametrize(
    ("verb", "why"),
    [("order", "unknown-key-number"), ("redeliver", "wrong-state"), ("release", "not-found"), ("remake", "not-found")],
)
async def test_what_the_maker_judges_is_a_refusal_with_its_reason(maker: HttpMaker, verb: str, why: str) -> None:
    order_id = new_id("ord")
    if verb == "redeliver":
        await maker.order(key(), order_id, NUMBER, KEYS, TO)
    asked = {
        "order": lambda: maker.order(key(), order_id, UNKNOWN, KEYS, TO),
        "redeliver": lambda: maker.redeliver(key(), order_id, TO, 935),
        "release": lambda: maker.release(key(), order_id, TO),
        "remake": lambda: maker.remake(key(), order_id),
    }

    with pytest.raises(MakerRefused) as refused:
        await asked[verb]()

    assert refused.value.params == {"why": why}


@pytest.mark.rule("QA-05")
async def test_an_answer_that_was_withheld_is_asked_for_again_and_done_once(
    maker: HttpMaker, stand_in: Sandbox
) -> None:
    order_id, once = new_id("ord"), key()
    await stand_in.fault("maker", withhold_s=0.2, times=1)

    with pytest.raises(MakerAway):
        await maker.order(once, order_id, NUMBER, KEYS, TO)
    await maker.order(once, order_id, NUMBER, KEYS, TO)

    assert len(await stand_in.seen("orders", q=order_id)) == 1


@pytest.mark.rule("SK-15")
async def test_a_maker_that_is_away_or_errs_is_away(maker: HttpMaker, stand_in: Sandbox) -> None:
    for fault in ({"away": True}, {"error_rate": 1.0}):
        await stand_in.fault("maker", **fault)
        with pytest.raises(MakerAway):
            await maker.check(key(), new_id("ord"), NUMBER, Kind.NORMAL)
    nobody = HttpMaker(f"http://127.0.0.1:{free_port()}", "x")
    with pytest.raises(MakerAway):
        await nobody.check(key(), new_id("ord"), NUMBER, Kind.NORMAL)
    await nobody.close()


@pytest.mark.rule("SK-15")
async def test_a_maker_who_shows_a_page_in_place_of_an_answer_is_away() -> None:
    order_id = new_id("ord")

    async with under_maintenance() as url:
        closed = HttpMaker(url, "x")
        with pytest.raises(MakerAway):
            await closed.check(key(), order_id, NUMBER, Kind.NORMAL)
        with pytest.raises(MakerAway):
            await closed.stop(key(), order_id)
        await closed.close()


async def test_a_wrong_secret_is_no_refusal_of_the_order(stand_in: Sandbox) -> None:
    stranger = HttpMaker(f"{stand_in.url}/maker", "wrong")

    with pytest.raises(MakerAway):
        await stranger.check(key(), new_id("ord"), NUMBER, Kind.NORMAL)
    await stranger.close()


async def test_a_release_under_a_key_that_served_for_another_address_is_as_good_as_done(
    maker: HttpMaker, stand_in: Sandbox
) -> None:
    order_id, once = new_id("ord"), key()
    await maker.order(key(), order_id, NUMBER, KEYS, TO)

    await maker.release(once, order_id, TO)
    await maker.release(once, order_id, ELSEWHERE)

    (made,) = await stand_in.seen("orders", q=order_id)
    assert made["address"]["street"] == "北一条西1-1"
