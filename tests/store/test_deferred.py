"""Pay later: within the limit, after the provider agreed, by an invoice that is due, late or paid (ST-24)."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from functools import partial

import pytest

from services.chassis.errors import InvalidField, RuumError
from services.chassis.jst import deadline
from services.store.intents.domain import PartnerSilent
from services.store.invoices.domain import ChargeLateInvoice, InvoiceNotLate, IssueInvoice, NotPaidLater
from services.store.invoices.models import InvoiceView
from services.store.payments.domain import PaymentOnHold
from tests.store.world import WORKER, World, request_id
from tests.support.insisting import insisting

SECOND = timedelta(seconds=1)


async def issued(world: World, order_id: str, **more: str) -> InvoiceView:
    asked = IssueInvoice(**{"request_id": request_id(), **more}, order_id=order_id)
    return await world.store.invoices.issue(WORKER, asked)


async def charged(world: World, invoice_id: str, ordinal: int, **more: str) -> InvoiceView:
    asked = ChargeLateInvoice(**{"request_id": request_id(), **more}, invoice_id=invoice_id, ordinal=ordinal)
    return await world.store.invoices.charge_late(WORKER, asked)


async def owed(world: World, member: str) -> int:
    return await world.scalar("select outstanding from credits where member_id = :m", m=member) or 0


async def invoiced(world: World, member: str) -> InvoiceView:
    order = await world.placed(member, "deferred")
    return await issued(world, order.order_id)


async def owing(world: World, member: str, yen: int) -> None:
    await world.scalar("insert into credits (member_id, outstanding) values (:m, :y) returning 1", m=member, y=yen)


@pytest.mark.rule("ST-24")
@pytest.mark.parametrize(("already", "state"), [(55_000 - 3_300, "authorised"), (55_000 - 3_299, "declined")])
async def test_up_to_the_limit_may_be_owed_and_not_a_yen_more(
    world: World, member: str, already: int, state: str
) -> None:
    view = await world.ready(member, "deferred")
    confirmed = (await world.snapshot(view)).snapshot_hash
    await owing(world, member, already)
    await world.begun(view, snapshot_hash=confirmed)

    payment = await world.authorised(view.order_id)

    assert payment.state == state
    assert payment.decline_code == ("" if state == "authorised" else "deferred-limit-reached")
    assert await owed(world, member) == already + (3_300 if state == "authorised" else 0)


async def test_beyond_the_limit_it_is_not_even_offered(world: World, member: str) -> None:
    await owing(world, member, 55_000 - 3_299)
    view = await world.opened(member)

    assert view.means_offered == ("card", "epos")
    with pytest.raises(InvalidField):
        await world.updated(view, means="deferred")


@pytest.mark.rule("QA-03")
async def test_of_two_hundred_callers_one_gets_the_last_thousand_yen_of_credit(world: World, member: str) -> None:
    from services.store.payments import repository  # noqa: PLC0415  # the one statement that is raced for

    await owing(world, member, 54_000)
    barrier = asyncio.Barrier(200)

    async def reserve() -> bool:
        await barrier.wait()
        last = partial(repository.reserve_credit, member_id=member, amount=1_000, limit=55_000)
        return await insisting(lambda: world.database.transact(last))

    won = await asyncio.gather(*(reserve() for _ in range(200)))

    assert won.count(True) == 1
    assert await owed(world, member) == 55_000


@pytest.mark.rule("ST-24")
async def test_credit_is_free_again_when_the_order_is_cancelled_refused_or_abandoned(world: World, member: str) -> None:
    order = await world.placed(member, "deferred")
    assert await owed(world, member) == 3_300
    await world.cancelled(order.order_id)
    assert await owed(world, member) == 0

    view = await world.ready(member, "deferred")
    await world.begun(view)
    world.deferred.next_result, world.deferred.next_decline = "declined", "deferred-refused"
    assert (await world.authorised(view.order_id)).decline_code == "deferred-refused"
    assert await owed(world, member) == 0

    await world.abandoned(view.order_id)
    await world.begun(view, attempt=2)
    await world.authorised(view.order_id, attempt=2)
    assert await owed(world, member) == 3_300
    await world.abandoned(view.order_id, attempt=2)
    assert await owed(world, member) == 0


@pytest.mark.rule("ST-24")
async def test_an_order_on_hold_is_placed_and_never_ships(world: World, member: str) -> None:
    view = await world.ready(member, "deferred")
    await world.begun(view)
    world.deferred.next_result = "on-hold"

    assert (await world.authorised(view.order_id)).state == "on-hold"
    assert (await world.confirmed(view.order_id)).state == "placed"

    with pytest.raises(PaymentOnHold):
        await world.captured(view.order_id)
    with pytest.raises(PaymentOnHold):
        await issued(world, view.order_id)
    assert (await world.ensured(view.order_id)).state == "on-hold"


@pytest.mark.rule("ST-24")
@pytest.mark.parametrize(("result", "state"), [("authorised", "authorised"), ("declined", "declined")])
async def test_the_review_settles_a_hold_and_tells_the_process(
    world: World, member: str, result: str, state: str
) -> None:
    view = await world.ready(member, "deferred")
    await world.begun(view)
    world.deferred.next_result, world.deferred.next_decline = "on-hold", "deferred-refused"
    await world.authorised(view.order_id)
    await world.confirmed(view.order_id)

    world.deferred.decide(view.order_id, result)  # type: ignore[arg-type]  # one of the two
    await world.webhook("deferred", view.order_id, "review_finished")

    payment = (await world.order(view.order_id)).payment
    assert payment is not None
    assert payment.state == state
    told = (
        ["order_placed", "payment_changed"]
        if state == "authorised"
        else ["order_placed", "means_wanted", "payment_changed"]
    )
    assert sorted(await world.told(view.order_id)) == sorted(told)
    assert await owed(world, member) == (3_300 if state == "authorised" else 0)


@pytest.mark.rule("SK-38")
async def test_the_invoice_comes_only_when_it_is_asked_for(world: World, member: str) -> None:
    order = await world.placed(member, "deferred")
    assert (await world.captured(order.order_id)).state == "authorised"
    assert (world.deferred.account(order.order_id).captured, (await world.order(order.order_id)).invoice) == (0, None)

    invoice = await issued(world, order.order_id)

    assert (invoice.state, invoice.amount, invoice.due_on) == ("issued", 3_300, date(2026, 7, 17))
    assert invoice.due_at == deadline(date(2026, 7, 17))
    assert invoice.next_charge_at == invoice.due_at
    assert await world.told(invoice.invoice_id) == ["invoice_issued", "start"]
    assert (await world.order(order.order_id)).payment.state == "captured"  # type: ignore[union-attr]  # it has one


async def test_an_invoice_is_issued_once(world: World, member: str) -> None:
    order, asked = await world.placed(member, "deferred"), request_id()

    invoices = [await issued(world, order.order_id, request_id=asked) for _ in range(2)]
    invoices.append(await issued(world, order.order_id))

    assert len({invoice.invoice_id for invoice in invoices}) == 1
    assert len([key for key in world.deferred.asked if key.endswith("capture")]) == 1


async def test_no_invoice_is_issued_for_what_is_paid_otherwise(world: World, member: str) -> None:
    order = await world.placed(member)

    with pytest.raises(NotPaidLater):
        await issued(world, order.order_id)


async def test_an_invoice_whose_answer_is_lost_is_issued_once(world: World, member: str) -> None:
    order, asked = await world.placed(member, "deferred"), request_id()
    world.deferred.faults.calls.append("done-and-lost")
    world.deferred.faults.down = True

    with pytest.raises(PartnerSilent):
        await issued(world, order.order_id, request_id=asked)
    world.deferred.faults.down = False

    assert (await issued(world, order.order_id, request_id=asked)).state == "issued"


@pytest.mark.rule("ST-24")
@pytest.mark.parametrize(
    ("ordinal", "days"), [(1, 0), (2, 14), (3, 28)], ids=["first charge", "second charge", "third charge"]
)
@pytest.mark.parametrize(
    ("at", "late"), [(-SECOND, False), (timedelta(), True), (SECOND, True)], ids=["-1s", "0", "+1s"]
)
async def test_an_invoice_is_charged_when_its_last_day_is_over_and_at_most_three_times(
    world: World, member: str, ordinal: int, days: int, at: timedelta, *, late: bool
) -> None:
    invoice = await invoiced(world, member)
    assert invoice.due_at is not None
    for earlier in range(1, ordinal):
        world.clock.advance(invoice.due_at + timedelta(days=14 * (earlier - 1)) - world.clock.now())
        await charged(world, invoice.invoice_id, earlier)
    world.clock.advance(invoice.due_at + timedelta(days=days) + at - world.clock.now())

    if late:
        charge = await charged(world, invoice.invoice_id, ordinal)
        assert (charge.state, charge.charges, charge.late_charges) == ("late", 297 * ordinal, ordinal)
        assert (charge.next_charge_at is None) == (ordinal == 3)
    else:
        with pytest.raises(InvoiceNotLate):
            await charged(world, invoice.invoice_id, ordinal)


async def test_a_charge_repeated_is_one_charge_and_none_is_left_out(world: World, member: str) -> None:
    invoice, asked = await invoiced(world, member), request_id()
    world.clock.advance(timedelta(days=60))

    with pytest.raises(InvoiceNotLate):
        await charged(world, invoice.invoice_id, 2)
    for _ in range(3):
        assert (await charged(world, invoice.invoice_id, 1, request_id=asked)).charges == 297
    assert (await charged(world, invoice.invoice_id, 1)).charges == 297
    assert (await world.told(invoice.invoice_id)).count("invoice_late") == 1


@pytest.mark.rule("ST-24")
async def test_a_payment_frees_the_credit_and_ends_the_invoice(world: World, member: str) -> None:
    invoice = await invoiced(world, member)
    world.deferred.account(invoice.order_id).paid = True

    await world.webhook("deferred", invoice.order_id, "paid")

    paid = await world.store.invoices.review(invoice.invoice_id)
    assert (paid.state, paid.next_charge_at) == ("paid", None)
    assert await owed(world, member) == 0
    assert await world.told(invoice.invoice_id) == ["invoice_issued", "start", "invoice_paid", "invoice_changed"]


async def test_what_was_paid_is_not_charged_even_where_the_webhook_is_late(world: World, member: str) -> None:
    invoice = await invoiced(world, member)
    world.deferred.account(invoice.order_id).paid = True
    world.clock.advance(timedelta(days=15))

    answer = await charged(world, invoice.invoice_id, 1)

    assert (answer.state, answer.charges) == ("paid", 0)


async def test_nobody_is_charged_while_the_provider_does_not_say_whether_it_was_paid(world: World, member: str) -> None:
    invoice = await invoiced(world, member)
    world.clock.advance(timedelta(days=15))
    world.deferred.faults.down = True

    with pytest.raises(PartnerSilent):
        await charged(world, invoice.invoice_id, 1)


@pytest.mark.rule("OP-05")
async def test_payment_and_charge_at_once_leave_one_paid_invoice(world: World, member: str) -> None:
    invoice = await invoiced(world, member)
    world.clock.advance(timedelta(days=15))

    async def pay() -> None:
        world.deferred.account(invoice.order_id).paid = True
        await world.webhook("deferred", invoice.order_id, "paid")

    async def charge() -> None:
        await charged(world, invoice.invoice_id, 1)

    await asyncio.gather(pay(), charge())

    final = await world.store.invoices.review(invoice.invoice_id)
    assert final.state == "paid"
    assert final.charges == 297 * final.late_charges <= 297
    with pytest.raises(RuumError):
        await charged(world, invoice.invoice_id, 3)


async def test_the_providers_own_charge_and_ours_of_one_ordinal_are_one(world: World, member: str) -> None:
    invoice = await invoiced(world, member)
    world.clock.advance(timedelta(days=15))
    world.deferred.account(invoice.order_id).charges = 297

    await world.webhook("deferred", invoice.order_id, "overdue")
    answer = await charged(world, invoice.invoice_id, 1)

    assert (answer.state, answer.charges, answer.late_charges) == ("late", 297, 1)
    assert (await world.told(invoice.invoice_id)).count("invoice_late") == 1


async def test_a_cancelled_order_withdraws_its_invoice(world: World, member: str) -> None:
    invoice = await invoiced(world, member)

    order = await world.cancelled(invoice.order_id)

    assert order.state == "cancelled"
    assert (await world.store.invoices.review(invoice.invoice_id)).state == "cancelled"
    assert await owed(world, member) == 0
