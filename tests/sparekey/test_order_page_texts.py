"""Whatever an order's page says can be read in every language (SK-40)."""

from __future__ import annotations

import pytest

from services.texts import Texts
from services.texts.languages import LANGUAGES, Language
from tests.sparekey.world import World, jst


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_line_of_a_long_story_can_be_read_in_every_language(world: World, language: Language) -> None:
    order_id = await world.asked_for_number()
    await world.reply(order_id)
    await world.check(order_id)
    await world.checked(order_id, "exists")
    await world.order_keys(order_id)
    await world.maker_says("ready", order_id, making=1)
    await world.look(order_id)
    await world.release(order_id)
    await world.dispatched(order_id)
    await world.scan((await world.case(order_id)).tracking_number, "absent")
    world.go_to(jst(2026, 4, 2, 10))
    await world.remind(order_id)
    await world.returned(order_id, world.now.date())
    await world.ask_redelivery(order_id)
    await world.maker_says("destroyed", order_id, destroyed_on="2026-04-02")
    texts = Texts.load()

    story = (await world.seen(order_id)).timeline
    lines = [texts.render(it.code, language, **it.params) for it in story]

    assert len(lines) == 13
    assert not [line for line in lines if "{" in line]
