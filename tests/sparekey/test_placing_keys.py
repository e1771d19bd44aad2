from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from services.chassis.errors import Kind, NotFound, RemoteError, RuumError, Unavailable
from services.chassis.idempotency import Command
from services.chassis.ids import new_id
from services.chassis.pages import Page
from services.sparekey.cases.models import Case
from services.sparekey.cases.transitions import State, TransitionImpossible
from services.sparekey.drafts.domain import OrderBeingPlaced, StartOrder
from services.sparekey.placing.domain import (
    KeyNumberMissing,
    ReviewOrder,
    ReviewOutdated,
    TermsNotAgreed,
    TermsOutdated,
)
from services.sparekey.placing.steps import AbandonPlaced
from services.sparekey.ports import Answer, LeaseEnded, Placing
from tests.sparekey.neighbours import lease
from tests.sparekey.world import WORKER, World, member, request


@pytest.mark.rule("SK-27")
async def test_an_order_that_is_placed_tells_so_and_has_its_number_checked_next(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()

    answer = await world.place(order_id, snapshot_hash)

    case = await world.case(order_id)
    assert answer == Answer("placed", order_number="0123456789")
    assert (case.state, case.check_round, case.attempt, case.placed_at) == (State.CHECKING, 1, 1, world.now)
    assert await world.events(order_id) == ["key_ordered"]


@pytest.mark.rule("SK-11")
async def test_the_confirmation_page_shows_the_number_whole_in_groups_to_its_owner_only(world: World) -> None:
    order_id = (await world.draft()).case.order_id
    await world.enter(order_id, "AB12CD34")
    asked = ReviewOrder(request_id=request(), order_id=order_id, language="ja")

    review = await world.domain.placings.review(world.member, asked)

    assert review.number.grouped == "AB12 CD34"
    with pytest.raises(NotFound):
        await world.domain.placings.review(member(new_id("mem")), asked)


@pytest.mark.rule("SK-26")
async def test_the_snapshot_carries_what_was_agreed_and_a_reference_for_the_number(world: World) -> None:
    order_id, _ = await world.ready_to_place()

    facts = world.store.baskets[order_id].facts

    assert facts["key_number_reference"].startswith("key_")
    assert facts["notices_version"] == world.rules.notices_version
    assert facts["notices_agreed_at"] == world.now.isoformat()
    assert "AB12CD34" not in str(facts)


# What a member says of the key, by the fact of the snapshot that holds it.
CONFIRMED = {
    "kind": "key_kind",
    "notices_version": "notices_version",
    "notices_language": "notices_language",
    "notices_agreed": "notices_agreed_at",
    "no_e_touch_acknowledged": "no_e_touch_acknowledged_at",
}
# The store's own part of the page says these.
SAID_BY_STORE = {"room_id", "quantity"}


@pytest.mark.rule("SK-26")
async def test_whatever_is_said_of_a_key_is_in_what_the_member_confirms(world: World) -> None:
    world.rooms.leases[world.member_id, world.room_id] = lease(e_touch=False)
    order_id, _ = await world.ready_to_place(kind="ic", no_e_touch_acknowledged=True)

    facts = world.store.baskets[order_id].facts

    said = StartOrder.model_fields.keys() - Command.model_fields.keys()
    assert said == CONFIRMED.keys() | SAID_BY_STORE, "write the field into `_facts` and name its fact in CONFIRMED"
    assert set(CONFIRMED.values()) - facts.keys() == set(), "what was said is not in `_facts`"


@pytest.mark.rule("SK-26")
async def test_nothing_is_placed_without_the_ticks_for_the_present_terms(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()

    with pytest.raises(TermsNotAgreed):
        await world.place(order_id, snapshot_hash, agreed=False)
    with pytest.raises(TermsOutdated):
        await world.place(order_id, snapshot_hash, terms_version="2020-01-01")
    with pytest.raises(TermsOutdated):
        await world.place(order_id, snapshot_hash, cancellation_version="2020-01-01")

    assert world.processes.asked == []


@pytest.mark.rule("SK-26")
@pytest.mark.parametrize("change", ["another number", "another quantity", "another lease", "another page"])
async def test_what_has_changed_since_it_was_confirmed_is_confirmed_again(world: World, change: str) -> None:
    order_id, snapshot_hash = await world.ready_to_place()
    match change:
        case "another number":
            await world.enter(order_id, "ZZ99YY88")
        case "another quantity":
            await world.draft(quantity=2)
        case "another lease":
            world.rooms.leases[world.member_id, world.room_id] = lease(lease_version=4)
        case _:
            snapshot_hash = "0" * 64

    with pytest.raises(ReviewOutdated):
        await world.place(order_id, snapshot_hash)
    again = await world.review(order_id)
    assert (await world.place(order_id, again)).outcome == "placed"


@pytest.mark.rule("SK-05")
async def test_a_lease_that_ended_before_placing_admits_no_order(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()
    world.leaves()

    with pytest.raises(LeaseEnded):
        await world.place(order_id, snapshot_hash)
    with pytest.raises(LeaseEnded):
        await world.review(order_id)


async def test_an_order_without_a_number_is_not_reviewed_and_not_placed(world: World) -> None:
    order_id = (await world.draft()).case.order_id

    with pytest.raises(KeyNumberMissing):
        await world.review(order_id)
    with pytest.raises(KeyNumberMissing):
        await world.place(order_id, "0" * 64)


@pytest.mark.rule("PO-13")
async def test_of_two_tabs_that_place_at_once_one_places(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()

    answers = await asyncio.gather(*(world.place(order_id, snapshot_hash) for _ in range(8)), return_exceptions=True)

    placed = [it for it in answers if isinstance(it, Answer)]
    refused = [it for it in answers if isinstance(it, OrderBeingPlaced)]
    assert (len(placed), len(refused)) == (1, 7)
    assert [it.attempt for it in world.processes.asked] == [1]


async def test_the_same_request_five_times_at_once_places_once_with_one_answer(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()

    answers = await asyncio.gather(*(world.place(order_id, snapshot_hash, "the-same-request") for _ in range(5)))

    assert {it.order_number for it in answers} == {"0123456789"}
    assert (await world.case(order_id)).attempt == 1
    assert await world.events(order_id) == ["key_ordered"]


async def test_a_lost_answer_is_given_again_also_when_the_order_went_on_meanwhile(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()
    world.processes.answer = Answer("pending")
    assert (await world.place(order_id, snapshot_hash, "the-same-request")).outcome == "pending"
    await world.confirm(order_id)
    await world.check(order_id)
    await world.checked(order_id, "exists")

    answer = await world.place(order_id, snapshot_hash, "the-same-request")

    assert answer == Answer("placed", order_number="0123456789")
    assert len(world.processes.asked) == 1


async def test_a_declined_try_opens_the_draft_for_another_and_is_remembered(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()
    world.processes.answer = Answer("declined", decline_code="card-declined")
    declined = await world.place(order_id, snapshot_hash, "the-first-try")
    world.processes.answer = None

    placed = await world.place(order_id, snapshot_hash, "the-second-try")

    assert (declined.outcome, placed.outcome) == ("declined", "placed")
    assert await world.place(order_id, snapshot_hash, "the-first-try") == declined
    assert await world.place(order_id, snapshot_hash, "the-second-try") == placed
    assert (await world.case(order_id)).attempt == 2


async def test_a_refused_try_is_refused_again_by_the_same_name(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()
    world.processes.answer = RemoteError(Kind.REFUSED, "coupon-used-up")

    for _ in range(2):
        with pytest.raises(RuumError) as refused:
            await world.place(order_id, snapshot_hash, "the-same-request")
        assert (refused.value.code, refused.value.kind) == ("coupon-used-up", Kind.REFUSED)

    assert len(world.processes.asked) == 1
    assert (await world.domain.drafts.get(world.member, order_id)).case.attempt == 1


async def test_undoing_an_earlier_try_does_not_undo_the_present_one(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()
    world.processes.answer = Answer("pending")
    await world.place(order_id, snapshot_hash)
    first = AbandonPlaced(**world.step(order_id, reason="declined", attempt=1))
    await world.domain.placed.abandon(WORKER, first)
    await world.place(order_id, snapshot_hash)
    late = await world.domain.placed.abandon(WORKER, first.model_copy(update={"request_id": request()}))

    assert (late.state, late.attempt) == (State.PLACING, 2)


async def test_every_try_can_be_undone_although_its_process_names_the_step_alike(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()
    world.processes.answer = Answer("pending")

    undone: list[Case] = []
    for reason in ("card-declined", "card-declined", "points-short"):
        await world.place(order_id, snapshot_hash)
        undone.append(await world.abandon(order_id, reason, request_id="process/abandon-placed/v=0"))

    assert [(case.state, case.attempt) for case in undone] == [(State.DRAFT, 1), (State.DRAFT, 2), (State.DRAFT, 3)]


async def test_a_placed_order_is_not_undone(world: World) -> None:
    order_id = await world.ordered()

    with pytest.raises(TransitionImpossible):
        await world.abandon(order_id, "late")


@pytest.mark.rule("SK-02")
@pytest.mark.parametrize("somebody_else", [True, False])
async def test_the_contractor_hears_of_an_order_by_somebody_else_of_the_household(
    world: World, somebody_else: bool
) -> None:
    contractor = new_id("mem") if somebody_else else world.member_id
    world.rooms.contractors[world.room_id] = contractor

    order_id = await world.ordered()

    told = (await world.event(order_id, "key_ordered")).contractor_member_id
    assert told == (contractor if somebody_else else "")


@pytest.mark.rule("SK-28")
async def test_the_stores_promise_is_told_and_where_it_made_none_seven_business_days_are(world: World) -> None:
    promised, counted = await world.ready_to_place(), World(world.database, world.keys_file)
    world.store.baskets[promised[0]].promised_on = date(2026, 4, 20)
    await world.place(*promised)
    other = await counted.ordered()

    assert (await world.event(promised[0], "key_ordered")).promised_dispatch_on.iso == "2026-04-20"
    assert (await counted.event(other, "key_ordered")).promised_dispatch_on.iso == "2026-04-10"


@pytest.mark.rule("OP-06")
async def test_a_try_that_did_not_reach_its_process_is_handed_on_later_and_a_settled_one_is_not(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()
    world.processes.answer = Answer("pending")
    await world.place(order_id, snapshot_hash)

    with pytest.raises(Unavailable):
        await world.domain.placings.press_on(order_id, 1)
    world.processes.answer = None
    await world.domain.placings.press_on(order_id, 1)
    await world.domain.placings.press_on(order_id, 1)

    assert (await world.case(order_id)).state == State.CHECKING
    assert len(world.processes.asked) == 3


async def test_what_the_process_is_told_waits_for_no_start_once_it_has_spoken(world: World) -> None:
    order_id = await world.ordered()
    await world.check(order_id)
    await world.checked(order_id, "exists")

    waiting = await world.rows(
        "select subject from sparekey.outbox where aggregate_id = :id and handed_on_at is null",
        id=f"sparekey-order/{order_id}",
    )
    assert [row.subject for row in waiting] == ["case_changed"]


async def test_a_member_finds_their_orders_newest_first_and_page_by_page(world: World) -> None:
    orders = []
    for _ in range(3):
        orders.append(await world.ordered())
        world.store.baskets.clear()
        world.pass_time(seconds=1)
        await asyncio.sleep(0.002)

    first = await world.domain.orders.list(world.member, Page(size=2))
    second = await world.domain.orders.list(world.member, Page(cursor=first.next_cursor, size=2))

    assert [it.case.order_id for it in (*first.items, *second.items)] == orders[::-1]
    assert second.next_cursor == ""
    assert (await world.domain.orders.list(member(new_id("mem")), Page())).items == []


async def test_a_refusal_that_comes_late_does_not_unsay_that_an_order_is_placed(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()
    asked = world.confirmed(order_id, snapshot_hash)

    async def placed_first(placing: Placing, patience: timedelta) -> Answer:  # as the port's
        await world.confirm(order_id)
        raise RemoteError(Kind.REFUSED, "try-again")

    world.processes.place = placed_first  # type: ignore[method-assign]  # the run ended under who waited for it
    with pytest.raises(RemoteError):
        await world.domain.placings.place(world.member, asked)

    assert (await world.domain.placings.place(world.member, asked)).outcome == "placed"
