"""An address that does not take mail is not asked again; one that cannot now is, and others do not wait for either."""

from __future__ import annotations

from typing import Any

import pytest

from ruum.points.v1 import events_pb2 as points
from services.chassis.ids import new_id
from tests.notifier.world import World


def granted(world: World, member: str) -> Any:
    return points.PointsGranted(header=world.header(member), order_id=new_id("ord"), points=7)


async def test_a_mail_to_an_unknown_mailbox_bounces_once_and_is_kept(world: World) -> None:
    gone, there = world.member(), world.member()
    event, other = granted(world, gone), granted(world, there)
    await world.sandbox.press("faults/smtp", "PUT", mode="bounce", to=world.address(gone))

    await world.tell(event, other)

    [bounced] = await world.settled(event, "bounced")
    await world.settled(other, "sent")
    assert (bounced["tries"], bounced["failure"], bounced["channel"]) == (1, "smtp-550", "mail")
    assert await world.inbox(world.address(gone)) == []
    assert len(await world.inbox(world.address(there))) == 1


async def test_a_mailbox_that_cannot_now_gets_its_mail_later(world: World) -> None:
    member = world.member()
    event = granted(world, member)
    await world.sandbox.press("faults/smtp", "PUT", mode="temporary", to=world.address(member), times=2)

    await world.tell(event)

    [delivery] = await world.settled(event, "sent")
    [mail] = await world.inbox(world.address(member))
    assert (mail["copies"], delivery["tries"]) == (1, 3)


@pytest.mark.parametrize("reached", [False, True])
async def test_who_is_gone_or_cannot_be_reached_is_not_written_to(world: World, reached: bool) -> None:
    member = world.member(mail=False) if reached else new_id("mem")
    event = granted(world, member)

    await world.tell(event)

    [delivery] = await world.settled(event, "lapsed")
    assert (delivery["tries"], delivery["channel"]) == (1, None)
