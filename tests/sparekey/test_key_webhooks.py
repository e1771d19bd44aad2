"""Partners' webhooks: proved, read, each once (SK-51, QA-06)."""

from __future__ import annotations

import json

import pytest

from services.chassis.errors import InvalidField
from services.chassis.webhooks import StandardWebhooks, WebhookForged, WebhookMalformed, WebhookStale
from services.sparekey.cases.transitions import State
from services.sparekey.partners.webhooks import WebhookUnreadable
from tests.sparekey.world import SECRETS, World


@pytest.mark.rule("QA-06")
async def test_a_word_that_comes_twenty_times_moves_the_case_once(world: World) -> None:
    order_id = await world.made()
    message = world.signed("maker", "ready", order_ref=order_id, making=1)

    seen = [await world.receive(message) for _ in range(20)]

    assert seen == [False] + [True] * 19
    assert (await world.story(order_id)).count("key-ready") == 1
    assert (
        len(await world.rows("select 1 from sparekey.words where order_id = :id and type = 'ready'", id=order_id)) == 1
    )


@pytest.mark.rule("SK-51")
async def test_what_is_not_the_partners_is_refused_and_changes_nothing(world: World) -> None:
    order_id = await world.made()
    partner, headers, body = world.signed("maker", "ready", order_ref=order_id, making=1)
    other = StandardWebhooks(["somebody-else"], world.clock).sign(headers["webhook-id"], body)

    for forged in (
        (partner, other, body),
        (partner, headers, body.replace(b'"making": 1', b'"making": 2')),
        ("post", headers, body),
    ):
        with pytest.raises(WebhookForged):
            await world.receive(forged)
    with pytest.raises(WebhookMalformed):
        await world.receive((partner, {"webhook-id": headers["webhook-id"]}, body))
    with pytest.raises(InvalidField):
        await world.receive(("stranger", headers, body))

    assert (await world.case(order_id)).state == State.MAKING


@pytest.mark.rule("SK-51")
@pytest.mark.parametrize(("age", "stale"), [(300, False), (301, True)])
async def test_a_recording_is_refused(world: World, age: int, stale: bool) -> None:
    order_id = await world.made()
    message = world.signed("maker", "ready", order_ref=order_id, making=1)
    world.pass_time(seconds=age)

    if not stale:
        assert await world.receive(message) is False
        return
    with pytest.raises(WebhookStale):
        await world.receive(message)


@pytest.mark.rule("SK-51")
@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("checked", {"check_id": "chk_1", "result": "perhaps"}, "result"),
        ("checked", {"result": "exists"}, "check_id"),
        ("number_asked", {"check_id": "chk_1", "mailed_at": "yesterday"}, "mailed_at"),
        ("number_asked", {"check_id": "chk_1", "mailed_at": "2026-04-01T09:00:00"}, "mailed_at"),
        ("dispatched", {"tracking_number": "<script>", "carrier": "post", "making": 1}, "tracking_number"),
        ("dispatched", {"tracking_number": "12345678901", "carrier": "drone", "making": 1}, "carrier"),
        ("returned", {"tracking_number": "12345678901", "returned_on": "2026-02-30"}, "returned_on"),
        ("destroyed", {}, "destroyed_on"),
    ],
)
async def test_what_the_partners_contract_does_not_say_is_refused_at_its_field(
    world: World, kind: str, data: dict[str, object], field: str
) -> None:
    order_id = await world.ordered()

    with pytest.raises(WebhookUnreadable) as refused:
        await world.maker_says(kind, order_id, **data)

    assert refused.value.field == field


async def test_an_envelope_that_is_none_is_refused(world: World) -> None:
    for body in (b"", b"[]", b"{", b'{"id": "evt_1"}', "[]".encode("utf-16"), json.dumps({"id": "other"}).encode()):
        headers = StandardWebhooks([SECRETS["maker"]], world.clock).sign("evt_1", body)
        with pytest.raises(WebhookUnreadable):
            await world.receive(("maker", headers, body))
    partner, _, body = world.signed("maker", "ready", order_ref="ord_1")
    headers = StandardWebhooks([SECRETS["maker"]], world.clock).sign("evt_other", body)
    with pytest.raises(WebhookUnreadable) as refused:
        await world.receive((partner, headers, body))
    assert refused.value.field == "id"


async def test_words_of_unknown_kinds_orders_and_parcels_are_taken_and_move_nothing(world: World) -> None:
    order_id = await world.made()
    version = (await world.case(order_id)).version

    assert await world.maker_says("polished", order_id) is False
    assert await world.maker_says("ready", "ord_nobody", making=1) is False
    assert await world.scan("99999999999", "handed_over") is False

    assert (await world.case(order_id)).version == version


@pytest.mark.rule("QA-06")
async def test_words_out_of_their_time_are_recorded_and_move_nothing(world: World) -> None:
    order_id = await world.sent()
    version = (await world.case(order_id)).version

    await world.checked(order_id, "unknown")
    await world.asked(order_id, check_round=1)
    await world.maker_says("number_replied", order_id, key_number="ZZ99YY88")
    await world.maker_says("ready", order_id, making=1)
    await world.maker_says("returned", order_id, tracking_number="00000000001", returned_on="2026-04-01")

    assert (await world.case(order_id)).version == version
    words = await world.rows("select type, moved from sparekey.words where order_id = :id", id=order_id)
    assert {row.type for row in words if not row.moved} == {
        "checked",
        "number_asked",
        "number_replied",
        "ready",
        "returned",
    }
    assert (await world.seen(order_id)).key_number_masked == "••••••34"


async def test_the_word_of_an_earlier_making_is_not_that_of_a_later(world: World) -> None:
    order_id = await world.sent()
    await world.act(order_id, "record_carrier_event", event="lost")
    await world.act(order_id, "decide", decision="remake")
    await world.order_keys(order_id)

    await world.maker_says("ready", order_id, making=1)
    assert (await world.case(order_id)).state == State.MAKING
    await world.maker_says("ready", order_id, making=2)

    assert (await world.case(order_id)).state == State.READY
