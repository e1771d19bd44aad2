"""What events say of a parcel for the mails that are made of them: figures are those of the settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from services.chassis.db import Database
from services.points import settings as points
from services.sparekey.settings import Rules
from tests.sparekey.world import World


@pytest.fixture
def dear(database: Database, keys_file: Path) -> World:
    """A world of other figures than the usual ones."""
    return World(database, keys_file, redelivery_charge=940, claim_days=12)


async def test_a_parcel_by_post_costs_nothing_at_the_door_and_is_named_when_nobody_was_there(dear: World) -> None:
    order_id = await dear.missed()
    number = (await dear.case(order_id)).tracking_number
    dear.go_to((await dear.case(order_id)).remind_at or dear.now)
    await dear.remind(order_id)

    sent, absent = await dear.event(order_id, "key_dispatched"), await dear.event(order_id, "recipient_absent")
    reminded = await dear.event(order_id, "reminder_due")

    assert (sent.carrier, sent.charge) == ("post", 0)
    assert (absent.tracking_number, absent.charge) == (number, 0)
    assert reminded.tracking_number == number


@pytest.mark.rule("SK-34")
async def test_a_redelivery_is_told_with_what_is_to_be_paid_at_the_door(dear: World) -> None:
    order_id = await dear.on_its_way_again()
    number = (await dear.case(order_id)).tracking_number

    await dear.scan(number, "absent")

    sent, absent = await dear.event(order_id, "key_dispatched"), await dear.event(order_id, "recipient_absent")
    assert (sent.carrier, sent.charge) == ("carrier", 940)
    assert (absent.tracking_number, absent.charge) == (number, 940)


async def test_who_is_reminded_of_the_end_of_storage_reads_the_charge(dear: World) -> None:
    order_id = await dear.back()
    dear.go_to((await dear.case(order_id)).remind_at or dear.now)

    await dear.remind(order_id)

    assert (await dear.event(order_id, "reminder_due")).charge == 940


async def test_a_key_that_was_handed_over_is_told_with_the_last_day_for_claims(dear: World) -> None:
    order_id = await dear.sent()

    await dear.scan((await dear.case(order_id)).tracking_number, "handed_over")

    told = await dear.event(order_id, "key_handed_over")
    assert told.claims_until.iso == f"{dear.now.date() + timedelta(days=12):%Y-%m-%d}"


def test_claims_are_taken_for_as_long_as_the_points_wait() -> None:
    assert Rules().claim_days == points.Rules().claim_days == 10
