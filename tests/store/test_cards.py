"""Cards are references of the processor's, kept when the member wants it (SK-18, ST-22)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.chassis.errors import Unavailable
from services.chassis.pages import Page
from services.store.cards.domain import CardUnknown
from services.store.checkout.domain import DropCheckout
from services.store.ports import OutcomeUnknown
from tests.store.shop import SPAREKEY, Shop, as_member, new_member, request_id

MINUTE = timedelta(minutes=1)


def token() -> str:
    return request_id().replace("req", "pm")


async def kept(shop: Shop, member: str) -> list[str]:
    return [card.card_id for card in (await shop.store.cards.kept(as_member(member), Page())).items]


async def detached(shop: Shop) -> list[str]:
    shop.clock.advance(MINUTE)
    await shop.swept()
    return [asked.removeprefix("detach ") for asked in shop.card.asked if asked.startswith("detach")]


@pytest.mark.rule("ST-22")
async def test_a_card_is_shown_by_brand_last_four_and_expiry_and_nothing_else_of_it_is_here(
    shop: Shop, member: str
) -> None:
    view = await shop.ready(member, card_id=token())
    await shop.begun(view)
    await shop.authorised(view.order_id)
    await shop.confirmed(view.order_id)

    (card,) = (await shop.store.cards.kept(as_member(member), Page())).items

    shown = {"brand": "visa", "last4": "4242", "expiry_month": 12, "expiry_year": 2030}
    assert card.model_dump(exclude={"card_id"}) == shown
    assert (view.card_id, view.card_brand, view.card_last4) == (card.card_id, "visa", "4242")
    assert card.card_id.startswith("card_")


@pytest.mark.rule("SK-18")
async def test_keeping_is_preselected_and_a_kept_card_pays_again(shop: Shop, member: str) -> None:
    view = await shop.ready(member, card_id=token())
    assert view.keep_card
    assert await kept(shop, member) == []
    await shop.begun(view)
    await shop.authorised(view.order_id)
    await shop.confirmed(view.order_id)
    (card_id,) = await kept(shop, member)

    again = await shop.placed(member, card_id=card_id)
    await shop.captured(again.order_id)

    assert await kept(shop, member) == [card_id]
    assert await detached(shop) == []


@pytest.mark.rule("SK-18")
async def test_unticked_the_card_is_forgotten_after_the_order_and_not_before(shop: Shop, member: str) -> None:
    given = token()
    order = await shop.placed(member, card_id=given, keep_card=False)
    assert (await kept(shop, member), await detached(shop)) == ([], [])

    await shop.captured(order.order_id)

    assert await detached(shop) == [given]
    assert given not in shop.card.cards
    with pytest.raises(CardUnknown):
        await shop.store.cards.given(member, (await shop.row(order.order_id)).card_id or "")


@pytest.mark.parametrize("how", ["cancelled", "dropped"])
async def test_a_card_of_an_order_that_came_to_nothing_is_forgotten_too(shop: Shop, member: str, how: str) -> None:
    given = token()
    view = await shop.ready(member, card_id=given, keep_card=False)
    await shop.begun(view)
    await shop.authorised(view.order_id)
    if how == "cancelled":
        await shop.confirmed(view.order_id)
        await shop.cancelled(view.order_id)
    else:
        await shop.abandoned(view.order_id)
        drop = DropCheckout(request_id=request_id(), order_id=view.order_id, member_id=member)
        await shop.store.checkouts.drop(SPAREKEY, drop)

    assert await detached(shop) == [given]


async def test_a_processor_that_does_not_answer_is_asked_again_to_forget(
    shop: Shop, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await shop.placed(member, card_id=token(), keep_card=False)
    await shop.captured(order.order_id)

    async def silent(_: str) -> None:
        raise OutcomeUnknown(answered=False)

    with monkeypatch.context() as patch:
        patch.setattr(shop.card, "detach", silent)
        shop.clock.advance(MINUTE)
        assert await shop.swept() == (0, 1)

    assert len(await detached(shop)) == 1


@pytest.mark.rule("PR-15")
async def test_another_members_card_is_unknown(shop: Shop, member: str) -> None:
    given = token()
    await shop.placed(member, card_id=given)
    (card_id,) = await kept(shop, member)

    for stolen in (card_id, given):
        with pytest.raises(CardUnknown):
            await shop.ready(new_member(), card_id=stolen)
    assert await kept(shop, new_member()) == []


async def test_what_is_no_token_is_refused_and_without_the_processor_no_new_card_is_taken(
    shop: Shop, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CardUnknown):
        await shop.ready(member, card_id="4242424242424242")

    async def silent(_: str) -> None:
        raise OutcomeUnknown(answered=False)

    monkeypatch.setattr(shop.card, "describe", silent)
    with pytest.raises(Unavailable):
        await shop.ready(member, card_id=token())


@pytest.mark.rule("PR-16")
async def test_kept_cards_are_paged_newest_first(shop: Shop, member: str) -> None:
    for _ in range(3):
        order = await shop.placed(member, card_id=token())
        await shop.captured(order.order_id)

    first = await shop.store.cards.kept(as_member(member), Page(size=2))
    second = await shop.store.cards.kept(as_member(member), Page(size=2, cursor=first.next_cursor))

    ids = [card.card_id for card in (*first.items, *second.items)]
    assert (len(first.items), len(second.items), second.next_cursor) == (2, 1, "")
    assert ids == sorted(ids, reverse=True)
