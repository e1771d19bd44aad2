from __future__ import annotations

import pytest

from services.chassis.errors import InvalidField, NotFound, Unavailable
from services.chassis.ids import new_id
from services.sparekey.cases.models import Kind
from services.sparekey.drafts.domain import (
    DropOrder,
    ETouchNotAcknowledged,
    NoticesNotAgreed,
    NoticesOutdated,
    OrderBeingPlaced,
)
from services.sparekey.ports import LeaseEnded, NotRegistered, RoomRefuses
from tests.sparekey.house import House, member, request
from tests.sparekey.neighbours import ADDRESS, ended, lease


@pytest.mark.rule("SK-01")
async def test_who_has_no_room_is_told_to_register_one_first(house: House) -> None:
    house.rooms.leases.clear()

    with pytest.raises(NotRegistered):
        await house.draft()
    assert await house.domain.drafts.offers(house.member, [house.room_id]) == []


@pytest.mark.rule("SK-01")
async def test_each_of_several_rooms_is_offered_with_its_building_and_another_members_is_left_out(house: House) -> None:
    second, strange = new_id("room"), new_id("room")
    house.rooms.leases[house.member_id, second] = lease(building_name="コーポ東", e_touch=False)

    offers = await house.domain.drafts.offers(house.member, [house.room_id, second, strange])

    assert [(it.room_id, it.permission.building_name) for it in offers] == [
        (house.room_id, "メゾン北一条"),
        (second, "コーポ東"),
    ]


@pytest.mark.rule("SK-05")
async def test_a_room_whose_lease_has_ended_is_shown_with_the_reason_and_admits_no_order(house: House) -> None:
    house.rooms.leases[house.member_id, house.room_id] = ended()

    (offer,) = await house.domain.drafts.offers(house.member, [house.room_id])

    assert (offer.refusal, list(offer.offers)) == ("key-room-lease-ended", [])
    with pytest.raises(LeaseEnded):
        await house.draft()


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ("kind-may-not", "key-room-kind-may-not"),
        ("lease-not-begun", "key-room-lease-not-begun"),
        ("contractor-left", "key-room-contractor-left"),
        ("something-new", "key-room-may-not-order"),
    ],
)
async def test_what_rooms_refuses_is_refused_by_name(house: House, refusal: str, code: str) -> None:
    house.rooms.leases[house.member_id, house.room_id] = ended(refusal)

    with pytest.raises(RoomRefuses) as refused:
        await house.draft()
    assert refused.value.code == code


async def test_nothing_is_started_while_rooms_cannot_answer(house: House) -> None:
    house.rooms.silent = True

    with pytest.raises(Unavailable):
        await house.draft()
    assert house.store.baskets == {}


@pytest.mark.rule("SK-04")
@pytest.mark.parametrize("e_touch", [True, False])
async def test_an_ic_key_for_a_building_without_e_touch_needs_an_acknowledgement(house: House, e_touch: bool) -> None:
    house.rooms.leases[house.member_id, house.room_id] = lease(e_touch=e_touch)
    (offer,) = await house.domain.drafts.offers(house.member, [house.room_id])
    assert {it.kind: it.acknowledge for it in offer.offers} == {Kind.NORMAL: False, Kind.IC: not e_touch}

    if e_touch:
        assert (await house.draft(kind=Kind.IC)).case.no_e_touch_agreed_at is None
        return
    with pytest.raises(ETouchNotAcknowledged):
        await house.draft(kind=Kind.IC)
    draft = await house.draft(kind=Kind.IC, no_e_touch_acknowledged=True)

    assert draft.case.no_e_touch_agreed_at == house.now
    await house.enter(draft.case.order_id)
    await house.review(draft.case.order_id)
    assert house.store.baskets[draft.case.order_id].facts["no_e_touch_acknowledged_at"] == house.now.isoformat()


@pytest.mark.rule("SK-05")
async def test_the_address_is_that_of_the_lease_and_nobody_can_say_another(house: House) -> None:
    draft = await house.draft()

    assert house.store.baskets[draft.case.order_id].address == ADDRESS


@pytest.mark.rule("SK-06")
@pytest.mark.parametrize(("quantity", "fine"), [(0, False), (1, True), (10, True), (11, False), (-1, False)])
async def test_one_to_ten_keys_can_be_ordered(house: House, quantity: int, fine: bool) -> None:
    if fine:
        assert (await house.draft(quantity=quantity)).case.quantity == quantity
        return
    with pytest.raises(InvalidField) as refused:
        await house.draft(quantity=quantity)
    (violation,) = refused.value.violations
    assert (violation.field, violation.code, violation.params) == (
        "quantity",
        "key-quantity-out-of-range",
        {"most": 10},
    )


@pytest.mark.rule("SK-08")
async def test_without_the_agreement_to_the_present_notices_there_is_no_order(house: House) -> None:
    with pytest.raises(NoticesNotAgreed):
        await house.draft(notices_agreed=False)
    with pytest.raises(NoticesOutdated):
        await house.draft(notices_version="2020-01-01")

    assert house.store.baskets == {}


@pytest.mark.rule("SK-08")
async def test_the_agreement_is_kept_with_version_language_and_instant(house: House) -> None:
    draft = await house.draft(notices_language="zh_Hans")

    agreed = (draft.case.notices_version, draft.case.notices_language, draft.case.notices_agreed_at)
    assert agreed == (house.rules.notices_version, "zh_Hans", house.now)


@pytest.mark.rule("SK-17")
async def test_going_back_to_the_quantity_keeps_the_number(house: House) -> None:
    order_id = (await house.draft(quantity=1)).case.order_id
    await house.enter(order_id)

    again = await house.draft(quantity=3, kind=Kind.IC)

    assert (again.case.order_id, again.case.quantity, again.case.kind) == (order_id, 3, Kind.IC)
    assert again.number is not None
    assert again.number.masked == "••••••34"


async def test_a_number_belongs_to_its_room_and_goes_when_the_room_is_changed(house: House) -> None:
    order_id = (await house.draft()).case.order_id
    await house.enter(order_id)
    second = new_id("room")
    house.rooms.leases[house.member_id, second] = lease()

    again = await house.draft(room_id=second)

    assert again.case.order_id == order_id
    assert again.number is None
    assert await house.rows("select 1 from sparekey.numbers where order_id = :id", id=order_id) == []


async def test_a_number_entered_again_takes_the_place_of_the_first(house: House) -> None:
    order_id = (await house.draft()).case.order_id
    await house.enter(order_id, "AB12CD34")

    draft = await house.enter(order_id, "VW12CD68")

    assert draft.number is not None
    assert (draft.number.masked, draft.number.look_alikes) == ("••••••68", (1, 2, 7, 8))
    assert len(await house.rows("select 1 from sparekey.numbers where order_id = :id", id=order_id)) == 1


async def test_the_same_request_again_does_nothing_again(house: House) -> None:
    order_id = (await house.draft()).case.order_id
    first = await house.enter(order_id, request_id="entered-twice")

    again = await house.enter(order_id, request_id="entered-twice")

    assert again.case.version == first.case.version


@pytest.mark.rule("SK-22")
async def test_a_dropped_order_is_gone_with_its_number_here_and_in_the_store(house: House) -> None:
    order_id = (await house.draft()).case.order_id
    await house.enter(order_id)

    await house.domain.drafts.drop(house.member, dropping := DropOrder(request_id=request(), order_id=order_id))
    await house.domain.drafts.drop(house.member, dropping)

    assert house.store.baskets == {}
    assert await house.rows("select 1 from sparekey.numbers where order_id = :id", id=order_id) == []
    with pytest.raises(NotFound):
        await house.domain.drafts.get(house.member, order_id)


@pytest.mark.rule("SK-22")
async def test_an_order_that_is_placed_can_no_longer_be_dropped_or_changed(house: House) -> None:
    order_id = await house.ordered()

    for attempt in (
        house.enter(order_id),
        house.domain.drafts.get(house.member, order_id),
        house.domain.drafts.drop(house.member, DropOrder(request_id=request(), order_id=order_id)),
        house.draft(),
    ):
        with pytest.raises(OrderBeingPlaced):
            await attempt


async def test_another_members_draft_is_not_there(house: House) -> None:
    order_id = (await house.draft()).case.order_id
    stranger = member(new_id("mem"))

    for attempt in (
        house.domain.drafts.get(stranger, order_id),
        house.domain.drafts.drop(stranger, DropOrder(request_id=request(), order_id=order_id)),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await house.domain.drafts.get(house.member, order_id)).case.order_id == order_id
