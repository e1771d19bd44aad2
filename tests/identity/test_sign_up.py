from __future__ import annotations

import pytest

from services.identity.members.models import Member
from tests.identity.world import World


@pytest.mark.rule("ID-01")
async def test_an_address_proved_by_a_code_becomes_an_account(world: World) -> None:
    sent = await world.ask_for_code("hana@example.jp")
    letter = await world.letter()

    signed_in = await world.sign_up(sent, letter.code)

    profile = await world.verbs.profiles.own(await world.caller(signed_in))
    assert (profile.email, profile.version, profile.language) == ("hana@example.jp", 1, "ja")
    assert [event.header.member_id for event in await world.told("member_signed_up")] == [signed_in.member_id]
    assert len(await world.rows(Member)) == 1
