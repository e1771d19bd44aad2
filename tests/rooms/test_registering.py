from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.chassis.errors import InvalidField, RequestReused
from services.rooms.codes.domain import CodesWrong, Typed
from services.rooms.members.models import Action, MemberKind
from services.rooms.registration.domain import AlreadyRegistered, PreviewOutdated
from tests.rooms.world import World, new_member, request_id, typed_from


@pytest.mark.rule("RM-02")
async def test_before_it_is_confirmed_a_room_is_shown_masked(world: World) -> None:
    building = world.building(name="サンハイツ")
    await world.state(building)
    pair = await world.issue(await world.let(building_code=building.building_code, contractor_name="山田 太郎"))

    shown = await world.registration.preview(new_member(), typed_from(pair))

    assert shown.model_dump(exclude={"preview_id"}) == {
        "building_name": "サンハイツ",
        "room_number": "203",
        "contractor_initials": "山＊ 太＊",
        "kind": MemberKind.PRIMARY,
    }


@pytest.mark.rule("RM-02")
async def test_looking_registers_nothing(world: World) -> None:
    who, pair = new_member(), await world.issue(await world.let())

    await world.registration.preview(who, typed_from(pair))

    assert not (await world.rooms(who)).items


@pytest.mark.rule("RM-02")
async def test_only_what_was_shown_to_this_member_is_registered(world: World) -> None:
    lease = await world.let()
    pair, who = await world.issue(lease), new_member()
    typed = typed_from(pair)
    of_another = (await world.registration.preview(new_member(), typed)).preview_id
    before_the_change = (await world.registration.preview(who, typed)).preview_id
    await world.restate(lease, contractor_name="鈴木 花子")

    for preview_id in (of_another, before_the_change, "guessed"):
        with pytest.raises(PreviewOutdated):
            await world.confirm(who, typed, preview_id)


@pytest.mark.rule("RM-04")
@pytest.mark.parametrize(
    ("corporate", "contractor", "invited"),
    [(False, MemberKind.PRIMARY, MemberKind.FAMILY), (True, MemberKind.CORPORATE, MemberKind.CORPORATE_FAMILY)],
)
async def test_the_lease_and_the_way_in_decide_the_kind(
    world: World, corporate: bool, contractor: MemberKind, invited: MemberKind
) -> None:
    who, place = await world.move_in(corporate=corporate)
    family = await world.add_family(place)

    assert place.kind is contractor
    assert (await world.members.room(who, place.room_id)).kind is contractor
    assert (await world.members.room(family, place.room_id)).kind is invited


@pytest.mark.rule("RM-04")
async def test_who_registered_no_room_has_none_to_show(world: World) -> None:
    assert not (await world.rooms(new_member())).items


@pytest.mark.rule("RM-14")
@pytest.mark.parametrize(("seconds", "begun"), [(-1, False), (0, True), (1, True)])
async def test_before_its_first_day_a_lease_can_be_registered_while_keys_and_statements_wait(
    world: World, seconds: int, begun: bool
) -> None:
    who, place = await world.move_in(starts_on=date(2026, 4, 11))
    world.clock.advance(timedelta(hours=12, seconds=seconds))

    waits = {action: await world.may(who, place, action) for action in (Action.ORDER_KEYS, Action.VIEW_STATEMENT)}

    assert await world.may(who, place, Action.INVITE)
    assert await world.may(who, place, Action.INQUIRE)
    assert waits == {Action.ORDER_KEYS: begun, Action.VIEW_STATEMENT: begun}


@pytest.mark.rule("PR-10")
async def test_registering_repeated_gives_the_same_answer_also_when_the_pair_has_died(world: World) -> None:
    lease = await world.let()
    who, typed, request = new_member(), typed_from(await world.issue(lease)), request_id()
    shown = await world.registration.preview(who, typed)
    first = await world.confirm(who, typed, shown.preview_id, request)
    await world.issue(lease)
    world.clock.advance(timedelta(days=1))

    again = await world.confirm(who, typed, shown.preview_id, request)

    assert again == first
    assert await world.told_of(first.room_id) == {"RoomRegistered": 1}


@pytest.mark.rule("PR-10")
async def test_a_wrong_pair_repeated_counts_once_and_another_content_is_refused(world: World) -> None:
    who, request, pair = new_member(), request_id(), await world.issue(await world.let())
    wrong = Typed(code1=pair.code1, code2=pair.code1, client=request_id())

    for _ in range(15):
        with pytest.raises(CodesWrong):
            await world.confirm(who, wrong, "shown", request)
    with pytest.raises(RequestReused):
        await world.confirm(who, typed_from(pair), "shown", request)

    assert await world.register(who, pair)


async def test_who_belongs_to_the_lease_is_told_so(world: World) -> None:
    lease = await world.let()
    who, place = await world.move_in(lease)
    family = await world.add_family(place)
    pair = await world.issue(lease)

    for member in (who, family):
        with pytest.raises(AlreadyRegistered):
            await world.register(member, pair)


@pytest.mark.rule("RM-03")
async def test_after_the_registration_was_removed_the_pair_serves_again(world: World) -> None:
    lease = await world.let()
    pair, first, second = await world.issue(lease), new_member(), new_member()
    place = await world.register(first, pair)
    await world.remove(first, place, first)

    await world.register(second, pair)

    assert await world.members.contractor(place.room_id) == second.name


@pytest.mark.rule("RM-20")
async def test_more_rooms_are_added_the_same_way_and_listed_newest_first_by_pages(world: World) -> None:
    who = new_member()
    rooms = [(await world.register(who, await world.issue(await world.let()))).room_id for _ in range(5)]

    pages = [await world.rooms(who, size=2)]
    while pages[-1].next_cursor:
        pages.append(await world.rooms(who, pages[-1].next_cursor, size=2))

    assert [[place.room_id for place in page.items] for page in pages] == [rooms[:2:-1], rooms[2:0:-1], rooms[:1]]


async def test_a_room_whose_next_lease_is_registered_too_is_listed_once(world: World) -> None:
    lease = await world.let(ends_on=date(2026, 4, 30))
    who, place = await world.move_in(lease)
    following = await world.let(building_code=lease.building_code, starts_on=date(2026, 5, 1))
    await world.register(who, await world.issue(following))

    listed = await world.rooms(who)

    assert [(room.room_id, room.lease_id) for room in listed.items] == [(place.room_id, place.lease_id)]


@pytest.mark.rule("PR-16")
@pytest.mark.parametrize("cursor", ["nonsense", "bWVt", "YWJj€"])
async def test_a_cursor_of_nobody_is_refused_with_its_field(world: World, cursor: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await world.rooms(new_member(), cursor)

    assert [(it.field, it.code) for it in refused.value.violations] == [("page.cursor", "cursor-unknown")]
