"""The service in a process of its own, with a real process behind each order and the maker's stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from deploy.local import nats
from deploy.local.postgres import Postgres
from deploy.local.temporal import Temporal
from ruum.rooms.v1.events_pb2 import MemberRemoved
from ruum.sparekey.v1 import sparekey_pb2 as pb
from services.chassis import stream
from services.chassis.db import Database
from services.chassis.errors import Kind
from services.chassis.ids import new_id
from tests.sparekey.deployed import UNKNOWN_NUMBER, Deployed, deployed
from tests.support.callers import Keys, refused
from tests.support.contexts import empty
from tests.support.waiting import until


@pytest.fixture(scope="module")
async def running(
    postgres: Postgres,
    nats_server: nats.Nats,
    temporal_server: Temporal,
    database: Database,
    keys: Keys,
    keys_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Deployed]:
    # Lines that other tests left for processes which nobody started would go first.
    await empty(postgres, "sparekey")
    await nats_server.create_stream()
    folder = tmp_path_factory.mktemp("deployed")
    async with deployed(postgres, nats_server, temporal_server, keys, keys_file, folder) as started:
        yield started


@pytest.fixture
def neighbours(running: Deployed) -> Deployed:
    running.member_id = new_id("mem")
    running.rooms.members.add(running.member_id)
    running.rooms.refusal = running.store.refuses = running.store.declines = ""
    return running


@pytest.mark.rule("SK-51")
async def test_an_order_runs_from_the_confirmation_to_the_hands_of_the_recipient(neighbours: Deployed) -> None:
    order_id = await neighbours.placed()
    tracking_number = await neighbours.parcel(order_id)

    await neighbours.sandbox.press(f"parcels/{tracking_number}/events", kind="handed_over")
    order = await neighbours.until(order_id, "HANDED_OVER")

    assert [entry.code for entry in order.timeline][-1] == "key-parcel-handed-over"
    assert neighbours.store.steps(order_id)[:3] == ["begin", "authorise", "confirm"]
    assert "capture" in neighbours.store.steps(order_id)


@pytest.mark.rule("SK-14")
@pytest.mark.rule("SK-28")
async def test_a_number_that_does_not_exist_is_asked_for_and_the_correct_one_ordered(neighbours: Deployed) -> None:
    order_id = await neighbours.placed(UNKNOWN_NUMBER)
    asked = await neighbours.until(order_id, "NUMBER_ASKED")
    assert asked.actions[0] == pb.MEMBER_ACTION_REPLY_KEY_NUMBER

    reply = pb.ReplyKeyNumberRequest(request_id=new_id("req"), order_id=order_id, key_number="ef56-gh78")
    await neighbours.ask("ReplyKeyNumber", reply)
    await neighbours.parcel(order_id)

    (made,) = [it for it in await neighbours.sandbox.seen("orders") if it["order_ref"] == order_id]
    shown = await neighbours.sandbox.press(f"orders/{order_id}/key-number", "GET")
    assert (made["making"], shown["key_number"]) == (1, "EF56GH78")
    assert neighbours.store.promised[order_id] == [5, 5]


async def test_a_parcel_that_came_back_goes_out_again_for_cash(neighbours: Deployed) -> None:
    order_id = await neighbours.placed()
    by_post = await neighbours.parcel(order_id)
    await neighbours.sandbox.press(f"parcels/{by_post}/events", kind="absent")
    await neighbours.until(order_id, "ABSENT")
    await neighbours.sandbox.press(f"parcels/{by_post}/events", kind="returned")
    await neighbours.until(order_id, "RETURNED")

    asked = pb.RequestRedeliveryRequest(request_id=new_id("req"), order_id=order_id, charge_accepted=True)
    await neighbours.ask("RequestRedelivery", asked)
    await neighbours.until(order_id, "REDELIVERING")
    by_carrier = await neighbours.parcel(order_id)
    await neighbours.sandbox.press(f"parcels/{by_carrier}/events", kind="collected")
    await until(partial(neighbours.said, order_id, "key-parcel-collected"))
    await neighbours.sandbox.press(f"parcels/{by_carrier}/events", kind="handed_over")
    order = await neighbours.until(order_id, "HANDED_OVER")

    assert (order.redelivery, order.carrier, by_carrier == by_post) == (1, "carrier", False)


@pytest.mark.rule("SK-05")
async def test_a_key_that_the_maker_still_has_is_stopped_when_rooms_tells_that_its_member_was_removed(
    neighbours: Deployed, nats_server: nats.Nats
) -> None:
    await neighbours.sandbox.press("automation/maker.dispatch", "PUT", on=False, delay_ms=200)
    order_id = await neighbours.placed()
    await neighbours.until(order_id, "RELEASED")
    await neighbours.at_maker(order_id, released=True)
    told = MemberRemoved(room_id=neighbours.rooms.room_id)
    told.header.event_id, told.header.aggregate_id = new_id("evt"), neighbours.rooms.room_id
    told.header.aggregate_version, told.header.member_id = 1, neighbours.member_id

    neighbours.rooms.members.remove(neighbours.member_id)
    rooms = await stream.connect(nats_server.url("rooms"), "rooms")
    await rooms.jetstream().publish("ruum.rooms.member_removed.v1", told.SerializeToString())
    order = await neighbours.until(order_id, "STOPPED")

    assert order.reason == "not-registered"
    kept = await neighbours.at_maker(order_id, state="stopped")
    assert (kept["released"], kept["tracking"]) == (False, [])
    await neighbours.sandbox.press("automation/maker.dispatch", "PUT", on=True, delay_ms=200)
    await rooms.close()


async def test_a_declined_payment_leaves_the_draft_open_for_another_try(neighbours: Deployed) -> None:
    order_id, place = await neighbours.reviewed()
    neighbours.store.declines = "card-declined-expired"
    declined = await neighbours.ask("PlaceOrder", place)
    neighbours.store.declines = ""

    draft = await neighbours.ask("GetDraft", pb.GetDraftRequest(order_id=order_id))
    again = pb.PlaceOrderRequest()
    again.CopyFrom(place)
    again.request_id = new_id("req")
    placed = await neighbours.ask("PlaceOrder", again)

    assert (declined.outcome, declined.decline_code) == (pb.PLACED_OUTCOME_DECLINED, "card-declined-expired")
    assert draft.key_number_entered
    assert (placed.outcome, placed.order_number) == (pb.PLACED_OUTCOME_PLACED, "1234567890")
    assert await neighbours.ask("PlaceOrder", place) == declined
    assert await neighbours.ask("PlaceOrder", again) == placed


async def test_what_the_store_refuses_is_refused_by_its_own_name(neighbours: Deployed) -> None:
    order_id, place = await neighbours.reviewed()
    neighbours.store.refuses = "coupon-used-up"

    refusal = await refused(neighbours.ask("PlaceOrder", place))
    repeated = await refused(neighbours.ask("PlaceOrder", place))

    assert (refusal.code, refusal.kind) == ("coupon-used-up", Kind.REFUSED)
    assert (repeated.code, repeated.kind) == ("coupon-used-up", Kind.REFUSED)
    assert (await neighbours.ask("GetDraft", pb.GetDraftRequest(order_id=order_id))).order_id == order_id
