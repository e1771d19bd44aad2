from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.chassis.errors import InvalidField, RequestReused
from services.rooms.codes.domain import CodesWrong, Typed
from services.rooms.members.domain import Asked
from services.rooms.members.models import Action, MemberKind
from services.rooms.registration.domain import AlreadyRegistered, PreviewOutdated
from tests.rooms.town import Town, new_member, request_id, typed_from


@pytest.mark.rule("RM-02")
async def test_before_it_is_confirmed_a_room_is_shown_masked(town: Town) -> None:
    building = town.building(name="サンハイツ")
    await town.state(building)
    pair = await town.issue(await town.let(building_code=building.code, contractor_name="山田 太郎"))

    shown = await town.registration.preview(new_member(), typed_from(pair))

    assert shown.model_dump(exclude={"preview_id"}) == {
        "building_name": "サンハイツ",
        "room_number": "203",
        "contractor_initials": "山＊ 太＊",
        "kind": MemberKind.PRIMARY,
    }


@pytest.mark.rule("RM-02")
async def test_looking_registers_nothing(town: Town) -> None:
    who, pair = new_member(), await town.issue(await town.let())

    await town.registration.preview(who, typed_from(pair))

    assert await town.members.rooms(who, Asked()) == ([], "")


@pytest.mark.rule("RM-02")
async def test_only_what_was_shown_to_this_member_is_registered(town: Town) -> None:
    lease = await town.let()
    pair, who = await town.issue(lease), new_member()
    typed = typed_from(pair)
    of_another = (await town.registration.preview(new_member(), typed)).preview_id
    before_the_change = (await town.registration.preview(who, typed)).preview_id
    await town.restate(lease, contractor_name="鈴木 花子")

    for preview_id in (of_another, before_the_change, "guessed"):
        with pytest.raises(PreviewOutdated):
            await town.registration.register(who, request_id(), typed, preview_id)


@pytest.mark.rule("RM-04")
@pytest.mark.parametrize(
    ("corporate", "contractor", "invited"),
    [(False, MemberKind.PRIMARY, MemberKind.FAMILY), (True, MemberKind.CORPORATE, MemberKind.CORPORATE_FAMILY)],
)
async def test_the_lease_and_the_way_in_decide_the_kind(
    town: Town, corporate: bool, contractor: MemberKind, invited: MemberKind
) -> None:
    who, place = await town.move_in(corporate=corporate)
    family = await town.add_family(place)

    assert place.kind is contractor
    assert (await town.members.room(who, place.room_id)).kind is contractor
    assert (await town.members.room(family, place.room_id)).kind is invited


@pytest.mark.rule("RM-04")
async def test_who_registered_no_room_has_none_to_show(town: Town) -> None:
    assert await town.members.rooms(new_member(), Asked()) == ([], "")


@pytest.mark.rule("RM-14")
@pytest.mark.parametrize(("seconds", "begun"), [(-1, False), (0, True), (1, True)])
async def test_before_its_first_day_a_lease_can_be_registered_while_keys_and_statements_wait(
    town: Town, seconds: int, begun: bool
) -> None:
    who, place = await town.move_in(starts_on=date(2026, 4, 11))
    town.clock.advance(timedelta(hours=12, seconds=seconds))

    waits = {action: await town.may(who, place, action) for action in (Action.ORDER_KEYS, Action.VIEW_STATEMENT)}

    assert await town.may(who, place, Action.INVITE)
    assert await town.may(who, place, Action.INQUIRE)
    assert waits == {Action.ORDER_KEYS: begun, Action.VIEW_STATEMENT: begun}


@pytest.mark.rule("PR-10")
async def test_registering_repeated_gives_the_same_answer_also_when_the_pair_has_died(town: Town) -> None:
    lease = await town.let()
    who, typed, request = new_member(), typed_from(await town.issue(lease)), request_id()
    shown = await town.registration.preview(who, typed)
    first = await town.registration.register(who, request, typed, shown.preview_id)
    await town.issue(lease)
    town.clock.advance(timedelta(days=1))

    again = await town.registration.register(who, request, typed, shown.preview_id)

    assert again == first
    assert await town.told_of(first.room_id) == {"RoomRegistered": 1}


@pytest.mark.rule("PR-10")
async def test_a_wrong_pair_repeated_counts_once_and_another_content_is_refused(town: Town) -> None:
    who, request, pair = new_member(), request_id(), await town.issue(await town.let())
    wrong = Typed(code1=pair.code1, code2=pair.code1, client=request_id())

    for _ in range(15):
        with pytest.raises(CodesWrong):
            await town.registration.register(who, request, wrong, "shown")
    with pytest.raises(RequestReused):
        await town.registration.register(who, request, typed_from(pair), "shown")

    assert await town.register(who, pair)


async def test_who_belongs_to_the_lease_is_told_so(town: Town) -> None:
    lease = await town.let()
    who, place = await town.move_in(lease)
    family = await town.add_family(place)
    pair = await town.issue(lease)

    for member in (who, family):
        with pytest.raises(AlreadyRegistered):
            await town.register(member, pair)


@pytest.mark.rule("RM-03")
async def test_after_the_registration_was_removed_the_pair_serves_again(town: Town) -> None:
    lease = await town.let()
    pair, first, second = await town.issue(lease), new_member(), new_member()
    place = await town.register(first, pair)
    await town.remove(first, place, first)

    await town.register(second, pair)

    assert await town.members.contractor(place.room_id) == second.name


@pytest.mark.rule("RM-20")
async def test_more_rooms_are_added_the_same_way_and_listed_newest_first_by_pages(town: Town) -> None:
    who = new_member()
    rooms = [(await town.register(who, await town.issue(await town.let()))).room_id for _ in range(5)]

    listed, cursor = [], ""
    for size in (2, 2, 2):
        page, cursor = await town.members.rooms(who, Asked(cursor=cursor, size=size))
        listed += [place.room_id for place in page]

    assert listed == list(reversed(rooms))
    assert cursor == ""


async def test_a_room_whose_next_lease_is_registered_too_is_listed_once(town: Town) -> None:
    lease = await town.let(ends_on=date(2026, 4, 30))
    who, place = await town.move_in(lease)
    following = await town.let(building_code=lease.building_code, starts_on=date(2026, 5, 1))
    await town.register(who, await town.issue(following))

    rooms, _ = await town.members.rooms(who, Asked())

    assert [(room.room_id, room.lease_id) for room in rooms] == [(place.room_id, place.lease_id)]


@pytest.mark.rule("PR-16")
@pytest.mark.parametrize("cursor", ["nonsense", "bWVt", "YWJj€"])
async def test_a_cursor_of_nobody_is_refused_with_its_field(town: Town, cursor: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await town.members.rooms(new_member(), Asked(cursor=cursor))

    assert refused.value.field == "page.cursor"
