"""Cards are references of the processor's, kept when the member wants it (SK-18, ST-22)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.chassis.errors import Unavailable
from services.chassis.pages import Page
from services.chassis.partners import OutcomeUnknown
from services.store.cards.domain import CardUnknown
from services.store.checkout.domain import DropCheckout
from tests.store.world import SPAREKEY, World, as_member, new_member, request_id

MINUTE = timedelta(minutes=1)


def token() -> str:
    return request_id().replace("req", "pm")


async def kept(world: World, member: str) -> list[str]:
    return [card.card_id for card in (await world.store.cards.kept(as_member(member), Page())).items]


async def detached(world: World) -> list[str]:
    world.clock.advance(MINUTE)
    await world.swept()
    return [asked.removeprefix("detach ") for asked in world.card.asked if asked.startswith("detach")]


@pytest.mark.rule("ST-22")
async def test_a_card_is_shown_by_brand_last_four_and_expiry_and_nothing_else_of_it_is_here(
    world: World, member: str
) -> None:
    view = await world.ready(member, card_id=token())
    await world.begun(view)
    await world.authorised(view.order_id)
    await world.confirmed(view.order_id)

    (card,) = (await world.store.cards.kept(as_member(member), Page())).items

    shown = {"brand": "visa", "last4": "4242", "expiry_month": 12, "expiry_year": 2030}
    assert card.model_dump(exclude={"card_id"}) == shown
    assert (view.card_id, view.card_brand, view.card_last4) == (card.card_id, "visa", "4242")
    assert card.card_id.startswith("card_")


@pytest.mark.rule("SK-18")
async def test_keeping_is_preselected_and_a_kept_card_pays_again(world: World, member: str) -> None:
    view = await world.ready(member, card_id=token())
    assert view.keep_card
    assert await kept(world, member) == []
    await world.begun(view)
    await world.authorised(view.order_id)
    await world.confirmed(view.order_id)
    (card_id,) = await kept(world, member)

    again = await world.placed(member, card_id=card_id)
    await world.captured(again.order_id)

    assert await kept(world, member) == [card_id]
    assert await detached(world) == []


@pytest.mark.rule("SK-18")
async def test_unticked_the_card_is_forgotten_after_the_order_and_not_before(world: World, member: str) -> None:
    given = token()
    order = await world.placed(member, card_id=given, keep_card=False)
    assert (await kept(world, member), await detached(world)) == ([], [])

    await world.captured(order.order_id)

    assert await detached(world) == [given]
    assert given not in world.card.cards
    with pytest.raises(CardUnknown):
        await world.store.cards.given(member, (await world.row(order.order_id)).card_id or "")


@pytest.mark.parametrize("how", ["cancelled", "dropped"])
async def test_a_card_of_an_order_that_came_to_nothing_is_forgotten_too(world: World, member: str, how: str) -> None:
    given = token()
    view = await world.ready(member, card_id=given, keep_card=False)
    await world.begun(view)
    await world.authorised(view.order_id)
    if how == "cancelled":
        await world.confirmed(view.order_id)
        await world.cancelled(view.order_id)
    else:
        await world.abandoned(view.order_id)
        drop = DropCheckout(request_id=request_id(), order_id=view.order_id, member_id=member)
        await world.store.checkouts.drop(SPAREKEY, drop)

    assert await detached(world) == [given]


async def test_a_processor_that_does_not_answer_is_asked_again_to_forget(
    world: World, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await world.placed(member, card_id=token(), keep_card=False)
    await world.captured(order.order_id)

    async def silent(_: str) -> None:
        raise OutcomeUnknown(answered=False)

    with monkeypatch.context() as patch:
        patch.setattr(world.card, "detach", silent)
        world.clock.advance(MINUTE)
        assert await world.swept() == (0, 1)

    assert len(await detached(world)) == 1


@pytest.mark.rule("PR-15")
async def test_another_members_card_is_unknown(world: World, member: str) -> None:
    given = token()
    await world.placed(member, card_id=given)
    (card_id,) = await kept(world, member)

    for stolen in (card_id, given):
        with pytest.raises(CardUnknown):
            await world.ready(new_member(), card_id=stolen)
    assert await kept(world, new_member()) == []


async def test_what_is_no_token_is_refused_and_without_the_processor_no_new_card_is_taken(
    world: World, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CardUnknown):
        await world.ready(member, card_id="4242424242424242")

    async def silent(_: str) -> None:
        raise OutcomeUnknown(answered=False)

    monkeypatch.setattr(world.card, "describe", silent)
    with pytest.raises(Unavailable):
        await world.ready(member, card_id=token())


@pytest.mark.rule("PR-16")
async def test_kept_cards_are_paged_newest_first(world: World, member: str) -> None:
    for _ in range(3):
        order = await world.placed(member, card_id=token())
        await world.captured(order.order_id)

    first = await world.store.cards.kept(as_member(member), Page(size=2))
    second = await world.store.cards.kept(as_member(member), Page(size=2, cursor=first.next_cursor))

    ids = [card.card_id for card in (*first.items, *second.items)]
    assert (len(first.items), len(second.items), second.next_cursor) == (2, 1, "")
    assert ids == sorted(ids, reverse=True)
