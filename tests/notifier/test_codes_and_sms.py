"""Codes from envelopes, and messages to telephones."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ruum.identity.v1 import events_pb2 as identity
from ruum.points.v1 import events_pb2 as points
from services.chassis.ids import new_id
from tests.notifier.world import World
from tests.support.waiting import until

SERIAL = iter(range(10_000, 99_999))


def a_number() -> str:
    return f"+8190000{next(SERIAL)}"


def an_address() -> str:
    return f"{new_id('adr')}@example.jp"


def requested(world: World, envelope_id: str) -> Any:
    return identity.CodeRequested(header=world.header(aggregate_id=envelope_id), envelope_id=envelope_id)


@pytest.mark.parametrize(
    ("purpose", "language", "subject", "digits"),
    [
        ("sign-up", "ja", "[ruum] 認証コード2のお知らせ", "042137"),
        ("sign-up", "zh_Hans", "[ruum] ruum 注册验证码（第2次）", "042137"),
        ("new-device", "en", "[ruum] Your ruum sign-in code (code 2)", "042137"),
        ("sign-up-existing", "ja", "[ruum] すでにアカウントをお持ちです", ""),
    ],
)
async def test_an_envelope_is_sent_and_then_destroyed(
    world: World, purpose: str, language: str, subject: str, digits: str
) -> None:
    address = an_address()
    envelope = world.envelope(purpose, address, language, digits, sequence=2)
    event = requested(world, envelope)

    await world.tell(event, times=3)

    await world.settled(event, "sent")
    [mail] = await world.inbox(address)
    assert (mail["subject"], mail["copies"]) == (subject, 1)
    assert digits in mail["text"]
    assert digits in mail["html"]
    assert world.identity.closed.count(envelope) == 1


async def test_what_is_no_longer_in_its_envelope_is_not_sent(world: World) -> None:
    address = an_address()
    envelope = world.envelope("sign-up", address, digits="042137")
    world.identity.closed.append(envelope)
    event = requested(world, envelope)

    await world.tell(event)

    await world.settled(event, "lapsed")
    assert await world.inbox(address) == []


async def test_an_envelope_whose_fate_is_unknown_stays_until_it_was_sent(world: World) -> None:
    address = an_address()
    envelope = world.envelope("sign-up", address, digits="042137")
    await world.sandbox.press("faults/smtp", "PUT", mode="drop", to=address, times=1)
    event = requested(world, envelope)

    await world.tell(event)

    await world.settled(event, "sent")
    [mail] = await world.inbox(address)
    assert mail["copies"] == 2
    assert world.identity.closed.count(envelope) == 1


async def test_a_code_that_was_sent_is_not_sent_again_when_only_its_envelope_is_still_to_close(world: World) -> None:
    address = an_address()
    envelope = world.envelope("sign-up", address, digits="042137")
    world.identity.cannot_close = True
    event = requested(world, envelope)

    await world.tell(event)
    await world.received(address)
    await asyncio.sleep(1)
    [waiting] = await world.deliveries(event)
    world.identity.cannot_close = False

    await world.settled(event, "sent")
    [mail] = await world.inbox(address)
    assert (waiting["state"], mail["copies"]) == ("unclosed", 1)
    assert world.identity.closed.count(envelope) == 1


async def test_a_code_goes_to_a_telephone_that_asked_for_it(world: World) -> None:
    number = a_number()
    event = requested(world, world.envelope("new-device", number, "ja", "042137", sequence=3))

    await world.tell(event)

    [delivery] = await world.settled(event, "sent")
    [sms] = await world.inbox(number)
    assert (sms["channel"], sms["message_id"]) == ("sms", delivery["id"])
    assert sms["text"].split("\n")[:2] == ["[ruum] ログイン用の認証コード3", "042137"]


async def test_who_has_no_mail_address_is_told_by_sms(world: World) -> None:
    number = a_number()
    event = points.PointsGranted(header=world.header(world.member("en", phone=number, mail=False)), points=7)

    await world.tell(event)

    [delivery] = await world.settled(event, "sent")
    [sms] = await world.inbox(number)
    assert delivery["channel"] == "sms"
    assert sms["text"].startswith("[ruum] You have 7 more points\n")


async def test_an_sms_whose_fate_is_unknown_is_sent_once(world: World) -> None:
    number = a_number()
    event = points.PointsGranted(header=world.header(world.member(phone=number, mail=False)), points=7)
    await world.sandbox.fault("sms", withhold_s=2, times=1)

    await world.tell(event)

    [delivery] = await world.settled(event, "sent")
    [sms] = await world.inbox(number)
    assert (sms["copies"], delivery["tries"] > 1) == (1, True)


async def test_an_sms_that_went_out_is_not_repeated_in_the_language_chosen_since(world: World) -> None:
    number = a_number()
    member = world.member("ja", phone=number, mail=False)
    event = points.PointsGranted(header=world.header(member), points=7)
    await world.sandbox.fault("sms", withhold_s=2, times=1)

    await world.tell(event)
    await world.received(number)
    world.identity.members[member].language = "en"

    await world.settled(event, "sent")
    [sms] = await world.inbox(number)
    assert sms["text"].startswith("[ruum] ")


async def test_a_try_that_may_have_gone_out_keeps_its_channel(world: World) -> None:
    number = a_number()
    member = world.member(phone=number)
    event = points.PointsGranted(header=world.header(member), points=7)
    await world.sandbox.press("faults/smtp", "PUT", mode="temporary", to=world.address(member))
    await world.tell(event)

    async def tried() -> bool:
        return any(row["channel"] for row in await world.deliveries(event))

    await until(tried)
    world.identity.members[member].email = ""

    await world.settled(event, "lapsed")
    assert await world.inbox(number) == []
