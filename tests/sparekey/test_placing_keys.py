from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from services.chassis.errors import Kind, NotFound, RemoteError, RuumError, Unavailable
from services.chassis.ids import new_id
from services.sparekey.cases.models import Case
from services.sparekey.cases.transitions import State, TransitionImpossible
from services.sparekey.drafts.domain import OrderBeingPlaced
from services.sparekey.placing.domain import (
    KeyNumberMissing,
    ReviewOrder,
    ReviewOutdated,
    TermsNotAgreed,
    TermsOutdated,
)
from services.sparekey.placing.steps import AbandonPlaced
from services.sparekey.ports import Answer, LeaseEnded, Placing
from tests.sparekey.house import WORKER, House, member, request
from tests.sparekey.neighbours import lease


@pytest.mark.rule("SK-27")
async def test_an_order_that_is_placed_tells_so_and_has_its_number_checked_next(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()

    answer = await house.place(order_id, snapshot_hash)

    case = await house.case(order_id)
    assert answer == Answer("placed", order_number="0123456789")
    assert (case.state, case.check_round, case.attempt, case.placed_at) == (State.CHECKING, 1, 1, house.now)
    assert await house.events(order_id) == ["key_ordered"]


@pytest.mark.rule("SK-11")
async def test_the_confirmation_page_shows_the_number_whole_in_groups_to_its_owner_only(house: House) -> None:
    order_id = (await house.draft()).case.order_id
    await house.enter(order_id, "AB12CD34")
    asked = ReviewOrder(request_id=request(), order_id=order_id, language="ja")

    review = await house.domain.placings.review(house.member, asked)

    assert review.number.grouped == "AB12 CD34"
    with pytest.raises(NotFound):
        await house.domain.placings.review(member(new_id("mem")), asked)


@pytest.mark.rule("SK-26")
async def test_the_snapshot_carries_what_was_agreed_and_a_reference_for_the_number(house: House) -> None:
    order_id, _ = await house.ready_to_place()

    facts = house.store.baskets[order_id].facts

    assert facts["key_number_reference"].startswith("key_")
    assert facts["notices_version"] == house.rules.notices_version
    assert facts["notices_agreed_at"] == house.now.isoformat()
    assert "AB12CD34" not in str(facts)


@pytest.mark.rule("SK-26")
async def test_nothing_is_placed_without_the_ticks_for_the_present_terms(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()

    with pytest.raises(TermsNotAgreed):
        await house.place(order_id, snapshot_hash, agreed=False)
    with pytest.raises(TermsOutdated):
        await house.place(order_id, snapshot_hash, terms_version="2020-01-01")
    with pytest.raises(TermsOutdated):
        await house.place(order_id, snapshot_hash, cancellation_version="2020-01-01")

    assert house.processes.asked == []


@pytest.mark.rule("SK-26")
@pytest.mark.parametrize("change", ["another number", "another quantity", "another lease", "another page"])
async def test_what_has_changed_since_it_was_confirmed_is_confirmed_again(house: House, change: str) -> None:
    order_id, snapshot_hash = await house.ready_to_place()
    match change:
        case "another number":
            await house.enter(order_id, "ZZ99YY88")
        case "another quantity":
            await house.draft(quantity=2)
        case "another lease":
            house.rooms.leases[house.member_id, house.room_id] = lease(lease_version=4)
        case _:
            snapshot_hash = "0" * 64

    with pytest.raises(ReviewOutdated):
        await house.place(order_id, snapshot_hash)
    again = await house.review(order_id)
    assert (await house.place(order_id, again)).outcome == "placed"


@pytest.mark.rule("SK-05")
async def test_a_lease_that_ended_before_placing_admits_no_order(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()
    house.leaves()

    with pytest.raises(LeaseEnded):
        await house.place(order_id, snapshot_hash)
    with pytest.raises(LeaseEnded):
        await house.review(order_id)


async def test_an_order_without_a_number_is_not_reviewed_and_not_placed(house: House) -> None:
    order_id = (await house.draft()).case.order_id

    with pytest.raises(KeyNumberMissing):
        await house.review(order_id)
    with pytest.raises(KeyNumberMissing):
        await house.place(order_id, "0" * 64)


@pytest.mark.rule("PO-13")
async def test_of_two_tabs_that_place_at_once_one_places(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()

    answers = await asyncio.gather(*(house.place(order_id, snapshot_hash) for _ in range(8)), return_exceptions=True)

    placed = [it for it in answers if isinstance(it, Answer)]
    refused = [it for it in answers if isinstance(it, OrderBeingPlaced)]
    assert (len(placed), len(refused)) == (1, 7)
    assert [it.attempt for it in house.processes.asked] == [1]


async def test_the_same_request_five_times_at_once_places_once_with_one_answer(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()

    answers = await asyncio.gather(*(house.place(order_id, snapshot_hash, "the-same-request") for _ in range(5)))

    assert {it.order_number for it in answers} == {"0123456789"}
    assert (await house.case(order_id)).attempt == 1
    assert await house.events(order_id) == ["key_ordered"]


async def test_a_lost_answer_is_given_again_also_when_the_order_went_on_meanwhile(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()
    house.processes.answer = Answer("pending")
    assert (await house.place(order_id, snapshot_hash, "the-same-request")).outcome == "pending"
    await house.confirm(order_id)
    await house.check(order_id)
    await house.checked(order_id, "exists")

    answer = await house.place(order_id, snapshot_hash, "the-same-request")

    assert answer == Answer("placed", order_number="0123456789")
    assert len(house.processes.asked) == 1


async def test_a_declined_try_opens_the_draft_for_another_and_is_remembered(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()
    house.processes.answer = Answer("declined", decline_code="card-declined")
    declined = await house.place(order_id, snapshot_hash, "the-first-try")
    house.processes.answer = None

    placed = await house.place(order_id, snapshot_hash, "the-second-try")

    assert (declined.outcome, placed.outcome) == ("declined", "placed")
    assert await house.place(order_id, snapshot_hash, "the-first-try") == declined
    assert await house.place(order_id, snapshot_hash, "the-second-try") == placed
    assert (await house.case(order_id)).attempt == 2


async def test_a_refused_try_is_refused_again_by_the_same_name(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()
    house.processes.answer = RemoteError(Kind.REFUSED, "coupon-used-up")

    for _ in range(2):
        with pytest.raises(RuumError) as refused:
            await house.place(order_id, snapshot_hash, "the-same-request")
        assert (refused.value.code, refused.value.kind) == ("coupon-used-up", Kind.REFUSED)

    assert len(house.processes.asked) == 1
    assert (await house.domain.drafts.get(house.member, order_id)).case.attempt == 1


async def test_undoing_an_earlier_try_does_not_undo_the_present_one(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()
    house.processes.answer = Answer("pending")
    await house.place(order_id, snapshot_hash)
    first = AbandonPlaced(**house.step(order_id, reason="declined", attempt=1))
    await house.domain.placed.abandon(WORKER, first)
    await house.place(order_id, snapshot_hash)
    late = await house.domain.placed.abandon(WORKER, first.model_copy(update={"request_id": request()}))

    assert (late.state, late.attempt) == (State.PLACING, 2)


async def test_every_try_can_be_undone_although_its_process_names_the_step_alike(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()
    house.processes.answer = Answer("pending")

    undone: list[Case] = []
    for reason in ("card-declined", "card-declined", "points-short"):
        await house.place(order_id, snapshot_hash)
        undone.append(await house.abandon(order_id, reason, request_id="process/abandon-placed/v=0"))

    assert [(case.state, case.attempt) for case in undone] == [(State.DRAFT, 1), (State.DRAFT, 2), (State.DRAFT, 3)]


async def test_a_placed_order_is_not_undone(house: House) -> None:
    order_id = await house.ordered()

    with pytest.raises(TransitionImpossible):
        await house.abandon(order_id, "late")


@pytest.mark.rule("SK-02")
@pytest.mark.parametrize("somebody_else", [True, False])
async def test_the_contractor_hears_of_an_order_by_somebody_else_of_the_household(
    house: House, somebody_else: bool
) -> None:
    contractor = new_id("mem") if somebody_else else house.member_id
    house.rooms.contractors[house.room_id] = contractor

    order_id = await house.ordered()

    told = (await house.event(order_id, "key_ordered")).contractor_member_id
    assert told == (contractor if somebody_else else "")


@pytest.mark.rule("SK-28")
async def test_the_stores_promise_is_told_and_where_it_made_none_seven_business_days_are(house: House) -> None:
    promised, counted = await house.ready_to_place(), House(house.database, house.keys_file)
    house.store.baskets[promised[0]].promised_on = date(2026, 4, 20)
    await house.place(*promised)
    other = await counted.ordered()

    assert (await house.event(promised[0], "key_ordered")).promised_dispatch_on.iso == "2026-04-20"
    assert (await counted.event(other, "key_ordered")).promised_dispatch_on.iso == "2026-04-10"


@pytest.mark.rule("OP-06")
async def test_a_try_that_did_not_reach_its_process_is_handed_on_later_and_a_settled_one_is_not(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()
    house.processes.answer = Answer("pending")
    await house.place(order_id, snapshot_hash)

    with pytest.raises(Unavailable):
        await house.domain.placings.press_on(order_id, 1)
    house.processes.answer = None
    await house.domain.placings.press_on(order_id, 1)
    await house.domain.placings.press_on(order_id, 1)

    assert (await house.case(order_id)).state == State.CHECKING
    assert len(house.processes.asked) == 3


async def test_what_the_process_is_told_waits_for_no_start_once_it_has_spoken(house: House) -> None:
    order_id = await house.ordered()
    await house.check(order_id)
    await house.checked(order_id, "exists")

    waiting = await house.rows(
        "select subject from sparekey.outbox where aggregate_id = :id and handed_on_at is null",
        id=f"sparekey-order/{order_id}",
    )
    assert [row.subject for row in waiting] == ["case_changed"]


async def test_a_member_finds_their_orders_newest_first_and_page_by_page(house: House) -> None:
    orders = []
    for _ in range(3):
        orders.append(await house.ordered())
        house.store.baskets.clear()
        house.pass_time(seconds=1)
        await asyncio.sleep(0.002)

    first = await house.domain.orders.page(house.member, "", 2)
    second = await house.domain.orders.page(house.member, first[-1].case.order_id, 2)

    assert [it.case.order_id for it in (*first, *second)] == orders[::-1]
    assert await house.domain.orders.page(member(new_id("mem")), "", 2) == []


async def test_a_refusal_that_comes_late_does_not_unsay_that_an_order_is_placed(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()
    asked = house.confirmed(order_id, snapshot_hash)

    async def placed_first(placing: Placing, patience: timedelta) -> Answer:  # as the port's
        await house.confirm(order_id)
        raise RemoteError(Kind.REFUSED, "try-again")

    house.processes.place = placed_first  # type: ignore[method-assign]  # the run ended under who waited for it
    with pytest.raises(RemoteError):
        await house.domain.placings.place(house.member, asked)

    assert (await house.domain.placings.place(house.member, asked)).outcome == "placed"
