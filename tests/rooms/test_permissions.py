from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.chassis.caller import Caller
from services.chassis.errors import NotFound
from services.rooms.members.models import PERMITTED, Action, MemberKind, Place
from services.texts import LANGUAGES, Texts
from tests.rooms.world import World, new_member
from tests.support.statements import statements

# Written by hand from the rules, not from the table under test. ○ may, × may not, … from the lease's first day on.
#   view and inquire, statements: RM-01, RM-05 ("Family may inquire about the room and see its statements")
#   keys: SK-02 (contractor, family and both corporate kinds)
#   invite: RM-10 (only a registered contractor);  remove others: RM-21 (a contractor)
#   payment method: RM-05 (family cannot);  end the lease: the contract is the contractor's
MATRIX = """
                        primary  family  corporate  corporate-family
view-room               ○        ○       ○          ○
view-statement          …        …       …          …
inquire                 ○        ○       ○          ○
order-keys              …        …       …          …
invite                  ○        ×       ○          ×
remove-others           ○        ×       ○          ×
change-payment-method   ○        ×       ○          ×
end-lease               …        ×       …          ×
"""
KINDS, *ROWS = [line.split() for line in MATRIX.strip().splitlines()]
CELLS = [(kind, action, cell) for action, *cells in ROWS for kind, cell in zip(KINDS, cells, strict=True)]
ACTIONS = {action for _, action, _ in CELLS}


async def resident(world: World, kind: str, starts_on: date = date(2026, 4, 1)) -> tuple[Caller, Caller, Place]:
    """A contractor, a member of this kind, who may be the same, and the member's place."""
    contractor, place = await world.move_in(corporate=kind.startswith("corporate"), starts_on=starts_on)
    return contractor, (await world.add_family(place) if "family" in kind else contractor), place


def test_the_matrix_names_every_kind_and_every_action() -> None:
    assert set(KINDS) == {kind.value for kind in MemberKind}
    assert {action.value for action in Action} == ACTIONS
    assert set(PERMITTED) == set(Action)


@pytest.mark.rule("RM-05")
@pytest.mark.parametrize(("kind", "action", "cell"), CELLS)
async def test_each_kind_may_do_what_the_rules_say(world: World, kind: str, action: str, cell: str) -> None:
    _, who, place = await resident(world, kind)

    given = await world.check(who, place, Action(action))

    assert given.kind.value == kind
    assert given.refusal == (None if cell in "○…" else "kind-may-not")
    seen = await world.members.room(who, place.room_id)
    assert (Action(action) in seen.actions) == (cell in "○…")


@pytest.mark.rule("RM-14")
@pytest.mark.parametrize(("kind", "action", "cell"), CELLS)
async def test_before_the_lease_begins_what_needs_it_waits(world: World, kind: str, action: str, cell: str) -> None:
    _, who, place = await resident(world, kind, starts_on=date(2026, 4, 11))

    given = await world.check(who, place, Action(action))

    assert given.refusal == {"○": None, "×": "kind-may-not", "…": "lease-not-begun"}[cell]


@pytest.mark.rule("RM-22")
@pytest.mark.parametrize("action", sorted(ACTIONS))
@pytest.mark.parametrize("kind", KINDS)
async def test_after_the_removal_nothing_may_be_done(world: World, kind: str, action: str) -> None:
    contractor, who, place = await resident(world, kind)

    await world.remove(contractor, place, who)

    with pytest.raises(NotFound):
        await world.check(who, place, Action(action))


@pytest.mark.rule("RM-05")
@pytest.mark.parametrize("action", sorted(ACTIONS))
async def test_a_general_member_may_do_nothing_in_any_room(world: World, action: str) -> None:
    _, place = await world.move_in()

    with pytest.raises(NotFound):
        await world.check(new_member(), place, Action(action))


@pytest.mark.rule("RM-05")
async def test_an_answer_carries_the_lease_s_version_and_a_short_life(world: World) -> None:
    lease = await world.let()
    who, place = await world.move_in(lease)
    await world.restate(lease, ends_on=date(2026, 12, 31))

    given = await world.check(who, place, Action.ORDER_KEYS)

    assert (given.lease_id, given.lease_version) == (place.lease_id, 2)
    assert given.valid_until == world.clock.now() + timedelta(seconds=60)


@pytest.mark.rule("RM-05")
async def test_a_permission_is_answered_for_the_time_that_a_workflow_states(world: World) -> None:
    who, place = await world.move_in(ends_on=date(2026, 4, 20))
    tomorrow, after_the_end = (world.clock.now() + timedelta(days=days) for days in (1, 11))

    answers = [
        (await world.members.permission(who.name, place.room_id, Action.ORDER_KEYS, as_of)).refusal
        for as_of in (tomorrow, after_the_end)
    ]

    assert answers == [None, "lease-ended"]


async def test_a_permission_costs_one_statement(world: World) -> None:
    _, place = await world.move_in()
    family = await world.add_family(place)
    await world.check(family, place)

    with statements(world.database) as asked:
        await world.check(family, place)

    assert len(asked) == 1


@pytest.mark.rule("PR-12")
def test_each_refusal_is_explained_in_each_language() -> None:
    texts = Texts.load()

    for code in ("lease-ended", "contractor-left", "kind-may-not", "lease-not-begun"):
        assert len({texts.render(code, language) for language in LANGUAGES}) == 3
