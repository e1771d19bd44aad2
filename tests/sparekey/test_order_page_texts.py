"""Whatever an order's page says can be read in every language (SK-40)."""

from __future__ import annotations

import re

import pytest

from services.sparekey.desk.actions import CLOSED_BY_DESK
from services.sparekey.making.verdicts import ADDRESS_CHANGED, NOT_CONFIRMED
from services.sparekey.members.models import TABLE
from services.sparekey.webhooks.travel import SCAN_CODES
from services.texts import Texts
from services.texts.languages import LANGUAGES, Language
from tests.conventions.rules import ROOT
from tests.sparekey.world import World, jst

REASONS = [
    NOT_CONFIRMED,
    "storage-ended",
    "reported-not-mine",
    "mail-redirect",
    "lease-ended",
    "lease-not-begun",
    "not-registered",
    "kind-may-not",
    "contractor-left",
    ADDRESS_CHANGED,
    "maker-refused",
    "parcel-lost",
    CLOSED_BY_DESK,
]
# Those that are put together when they are told; `told` finds the others.
TOLD = [
    "key-hold-ended",
    "key-reminded-held-at-post",
    "key-reminded-storage-ends",
    "key-reported-not-mine",
    "key-mail-redirect",
    "key-order-cancelled",
    "key-order-destroyed",
    *SCAN_CODES,
]
NEXT = [
    *(row.next for row in TABLE.values()),
    "key-next-your-wish-date",
    "key-next-your-means",
    "key-next-your-payment",
    "key-next-number-asked",
    "key-next-storage-ends",
    "key-next-keys-remade",
]


def told() -> set[str]:
    """The lines of the timeline, as the changes of a case name them."""
    sources = (path.read_text("utf-8") for path in (ROOT / "services/sparekey").rglob("*.py"))
    return {code for source in sources for code in re.findall(r'\btold="([\w-]+)"', source)}


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_the_page_says_is_written_in_every_language(language: Language) -> None:
    written = Texts.load().codes(language)

    said = {*told(), *TOLD, *NEXT, *(f"key-reason-{reason}" for reason in REASONS)}
    assert len(told()) > 20
    assert said - set(written) == set(), "write it in sparekey.po of each language"


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
