"""Each event becomes the one message that the table names, to the right person."""

from __future__ import annotations

import pytest

from ruum.sparekey.v1 import events_pb2 as sparekey
from services.chassis.ids import new_id
from tests.notifier.world import PORTAL, SENDING_DOMAIN, World


@pytest.mark.rule("SK-27")
async def test_an_ordered_key_is_confirmed_by_mail_with_the_promised_day(world: World) -> None:
    member, order = world.member("ja", "山田 太郎"), new_id("ord")
    ordered = sparekey.KeyOrdered(header=world.header(member), order_id=order)
    ordered.promised_dispatch_on.iso = "2026-05-12"

    await world.tell(ordered)

    [mail] = await world.received(world.address(member))
    [delivery] = await world.settled(ordered, "sent")
    assert mail["subject"] == "【ruum】スペアキーのご注文ありがとうございます"
    assert mail["message_id"] == f"<{delivery['id']}@{SENDING_DOMAIN}>"
    for said in (mail["text"], mail["html"]):
        assert "山田 太郎 様" in said
        assert "2026年5月12日" in said
        assert f"{PORTAL}/orders/{order}" in said
