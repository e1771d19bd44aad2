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
from tests.sparekey.neighbours import ADDRESS, ended, lease
from tests.sparekey.world import World, member, request


@pytest.mark.rule("SK-01")
async def test_who_has_no_room_is_told_to_register_one_first(world: World) -> None:
    world.rooms.leases.clear()

    with pytest.raises(NotRegistered):
        await world.draft()
    assert (await world.domain.drafts.options(world.member, [world.room_id])).rooms == []


@pytest.mark.rule("SK-01")
async def test_each_of_several_rooms_is_offered_with_its_building_and_another_members_is_left_out(world: World) -> None:
    second, strange = new_id("room"), new_id("room")
    world.rooms.leases[world.member_id, second] = lease(building_name="コーポ東", e_touch=False)

    options = await world.domain.drafts.options(world.member, [world.room_id, second, strange])

    assert [(it.room_id, it.building_name) for it in options.rooms] == [
        (world.room_id, "メゾン北一条"),
        (second, "コーポ東"),
    ]


@pytest.mark.rule("SK-05")
async def test_a_room_whose_lease_has_ended_is_shown_with_the_reason_and_admits_no_order(world: World) -> None:
    world.rooms.leases[world.member_id, world.room_id] = ended()

    (room,) = (await world.domain.drafts.options(world.member, [world.room_id])).rooms

    assert (room.refusal, list(room.kinds)) == ("key-room-lease-ended", [])
    with pytest.raises(LeaseEnded):
        await world.draft()


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        ("kind-may-not", "key-room-kind-may-not"),
        ("lease-not-begun", "key-room-lease-not-begun"),
        ("contractor-left", "key-room-contractor-left"),
        ("something-new", "key-room-may-not-order"),
    ],
)
async def test_what_rooms_refuses_is_refused_by_name(world: World, refusal: str, code: str) -> None:
    world.rooms.leases[world.member_id, world.room_id] = ended(refusal)

    with pytest.raises(RoomRefuses) as refused:
        await world.draft()
    assert refused.value.code == code


async def test_nothing_is_started_while_rooms_cannot_answer(world: World) -> None:
    world.rooms.silent = True

    with pytest.raises(Unavailable):
        await world.draft()
    assert world.store.baskets == {}


@pytest.mark.rule("SK-04")
@pytest.mark.parametrize("e_touch", [True, False])
async def test_an_ic_key_for_a_building_without_e_touch_needs_an_acknowledgement(world: World, e_touch: bool) -> None:
    world.rooms.leases[world.member_id, world.room_id] = lease(e_touch=e_touch)
    (room,) = (await world.domain.drafts.options(world.member, [world.room_id])).rooms
    assert {it.kind: it.needs_acknowledgement for it in room.kinds} == {Kind.NORMAL: False, Kind.IC: not e_touch}

    if e_touch:
        assert (await world.draft(kind=Kind.IC)).case.no_e_touch_agreed_at is None
        return
    with pytest.raises(ETouchNotAcknowledged):
        await world.draft(kind=Kind.IC)
    draft = await world.draft(kind=Kind.IC, no_e_touch_acknowledged=True)

    assert draft.case.no_e_touch_agreed_at == world.now
    await world.enter(draft.case.order_id)
    await world.review(draft.case.order_id)
    assert world.store.baskets[draft.case.order_id].facts["no_e_touch_acknowledged_at"] == world.now.isoformat()


@pytest.mark.rule("SK-05")
async def test_the_address_is_that_of_the_lease_and_nobody_can_say_another(world: World) -> None:
    draft = await world.draft()

    assert world.store.baskets[draft.case.order_id].address == ADDRESS


@pytest.mark.rule("SK-06")
@pytest.mark.parametrize(("quantity", "fine"), [(0, False), (1, True), (10, True), (11, False), (-1, False)])
async def test_one_to_ten_keys_can_be_ordered(world: World, quantity: int, fine: bool) -> None:
    if fine:
        assert (await world.draft(quantity=quantity)).case.quantity == quantity
        return
    with pytest.raises(InvalidField) as refused:
        await world.draft(quantity=quantity)
    (violation,) = refused.value.violations
    assert (violation.field, violation.code, violation.params) == (
        "quantity",
        "key-quantity-out-of-range",
        {"most": 10},
    )


@pytest.mark.rule("SK-08")
async def test_without_the_agreement_to_the_present_notices_there_is_no_order(world: World) -> None:
    with pytest.raises(NoticesNotAgreed):
        await world.draft(notices_agreed=False)
    with pytest.raises(NoticesOutdated):
        await world.draft(notices_version="2020-01-01")

    assert world.store.baskets == {}


@pytest.mark.rule("SK-08")
async def test_the_agreement_is_kept_with_version_language_and_instant(world: World) -> None:
    draft = await world.draft(notices_language="zh_Hans")

    agreed = (draft.case.notices_version, draft.case.notices_language, draft.case.notices_agreed_at)
    assert agreed == (world.rules.notices_version, "zh_Hans", world.now)


@pytest.mark.rule("SK-17")
async def test_going_back_to_the_quantity_keeps_the_number(world: World) -> None:
    order_id = (await world.draft(quantity=1)).case.order_id
    await world.enter(order_id)

    again = await world.draft(quantity=3, kind=Kind.IC)

    assert (again.case.order_id, again.case.quantity, again.case.kind) == (order_id, 3, Kind.IC)
    assert again.number is not None
    assert again.number.masked == "••••••34"


async def test_a_number_belongs_to_its_room_and_goes_when_the_room_is_changed(world: World) -> None:
    order_id = (await world.draft()).case.order_id
    await world.enter(order_id)
    second = new_id("room")
    world.rooms.leases[world.member_id, second] = lease()

    again = await world.draft(room_id=second)

    assert again.case.order_id == order_id
    assert again.number is None
    assert await world.rows("select 1 from sparekey.numbers where order_id = :id", id=order_id) == []


async def test_a_number_entered_again_takes_the_place_of_the_first(world: World) -> None:
    order_id = (await world.draft()).case.order_id
    await world.enter(order_id, "AB12CD34")

    draft = await world.enter(order_id, "VW12CD68")

    assert draft.number is not None
    assert (draft.number.masked, draft.number.look_alikes) == ("••••••68", (1, 2, 7, 8))
    assert len(await world.rows("select 1 from sparekey.numbers where order_id = :id", id=order_id)) == 1


async def test_the_same_request_again_does_nothing_again(world: World) -> None:
    order_id = (await world.draft()).case.order_id
    first = await world.enter(order_id, request_id="entered-twice")

    again = await world.enter(order_id, request_id="entered-twice")

    assert again.case.version == first.case.version


@pytest.mark.rule("SK-22")
async def test_a_dropped_order_is_gone_with_its_number_here_and_in_the_store(world: World) -> None:
    order_id = (await world.draft()).case.order_id
    await world.enter(order_id)

    await world.domain.drafts.drop(world.member, dropping := DropOrder(request_id=request(), order_id=order_id))
    await world.domain.drafts.drop(world.member, dropping)

    assert world.store.baskets == {}
    assert await world.rows("select 1 from sparekey.numbers where order_id = :id", id=order_id) == []
    with pytest.raises(NotFound):
        await world.domain.drafts.get(world.member, order_id)


@pytest.mark.rule("SK-22")
async def test_an_order_that_is_placed_can_no_longer_be_dropped_or_changed(world: World) -> None:
    order_id = await world.ordered()

    for attempt in (
        world.enter(order_id),
        world.domain.drafts.get(world.member, order_id),
        world.domain.drafts.drop(world.member, DropOrder(request_id=request(), order_id=order_id)),
        world.draft(),
    ):
        with pytest.raises(OrderBeingPlaced):
            await attempt


async def test_another_members_draft_is_not_there(world: World) -> None:
    order_id = (await world.draft()).case.order_id
    stranger = member(new_id("mem"))

    for attempt in (
        world.domain.drafts.get(stranger, order_id),
        world.domain.drafts.drop(stranger, DropOrder(request_id=request(), order_id=order_id)),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await world.domain.drafts.get(world.member, order_id)).case.order_id == order_id
