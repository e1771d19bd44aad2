"""Books that agree are passed over in silence; each planted disagreement is found and named (OP-06)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from services.reconcile.facts import Books, Money, Points
from services.reconcile.rules import disagreements

PLACED, SENT, CANCELLED, CHECKOUT = "ord_placed", "ord_sent", "ord_cancelled", "ord_checkout"
LATER, INVOICE = "ord_later", "inv_later"


def sound() -> Books:
    """Five orders in states of their own, and everything about them in order."""
    card = Money(
        state="placed",
        means="card",
        due=6100,
        points=200,
        earns=61,
        attempt=1,
        payment="authorised",
        authorised=6100,
        captured=0,
        refunded=0,
        open_intents=0,
        partner="authorised",
    )
    later = replace(card, state="delivered", means="deferred", points=0, payment="captured", partner="captured")
    return Books(
        money={
            PLACED: card,
            SENT: replace(card, state="dispatched", payment="captured", captured=6100, partner="captured"),
            CANCELLED: replace(card, state="cancelled", payment="voided", partner="voided"),
            CHECKOUT: replace(card, state="checkout", payment="declined", authorised=0, partner="declined"),
            LATER: replace(later, invoice="late", invoice_id=INVOICE),
        },
        points={
            PLACED: Points(held=200, pending=61),
            SENT: Points(captured=200, pending=61),
            CANCELLED: Points(released=200),
            CHECKOUT: Points(released=200),
            LATER: Points(granted=61),
        },
        cases={
            PLACED: "checking",
            SENT: "absent",
            CANCELLED: "cancelled",
            CHECKOUT: "draft",
            LATER: "handed-over",
            "ord_new": "draft",
        },
        running=frozenset(
            [
                *(f"sparekey-order/{order}" for order in (PLACED, SENT)),
                *(f"point-grant/{order}" for order in (PLACED, SENT)),
                f"invoice/{INVOICE}",
            ]
        ),
    )


def money(order: str, **changed: Any) -> Callable[[Books], Books]:
    return lambda books: replace(books, money=books.money | {order: replace(books.money[order], **changed)})


def points(order: str, **changed: int) -> Callable[[Books], Books]:
    return lambda books: replace(books, points=books.points | {order: replace(books.points[order], **changed)})


def hold_of(order: str, **sums: int) -> Callable[[Books], Books]:
    return lambda books: replace(books, points=books.points | {order: Points(**sums)})


def case(order: str, state: str) -> Callable[[Books], Books]:
    return lambda books: replace(books, cases=books.cases | {order: state})


def stopped(workflow_id: str) -> Callable[[Books], Books]:
    return lambda books: replace(books, running=books.running - {workflow_id})


def started(workflow_id: str) -> Callable[[Books], Books]:
    return lambda books: replace(books, running=books.running | {workflow_id})


def without_case(order: str) -> Callable[[Books], Books]:
    return lambda books: replace(books, cases={key: state for key, state in books.cases.items() if key != order})


PLANTED: dict[str, tuple[Callable[[Books], Books], str, str]] = {
    "the ledger does not sum to zero": (lambda books: replace(books, ledger_sum=1), "ledger-not-zero", "ledger"),
    "a balance is not its entries": (
        lambda books: replace(books, differing=frozenset([("balance", "mem_1")])),
        "balance-differs",
        "mem_1",
    ),
    "a member owes another sum than their payments": (
        lambda books: replace(books, differing=frozenset([("credit", "mem_1")])),
        "credit-differs",
        "mem_1",
    ),
    "points are held for an order that nobody knows": (hold_of("ord_none", held=5), "points-of-no-order", "ord_none"),
    "points are held for a draft": (hold_of("ord_new", held=5), "points-of-no-order", "ord_new"),
    "points are pending for an order that nobody knows": (
        hold_of("ord_none", pending=5),
        "points-of-no-order",
        "ord_none",
    ),
    "a hold was lost": (points(PLACED, held=0), "points-held", PLACED),
    "a hold was never released": (points(CANCELLED, held=200), "points-held", CANCELLED),
    "a hold stayed after a decline": (points(CHECKOUT, held=200), "points-held", CHECKOUT),
    "points were spent twice": (points(SENT, captured=400), "points-spent", SENT),
    "points of a sent order were not spent": (points(SENT, captured=0), "points-spent", SENT),
    "spent points were not given back": (points(CANCELLED, captured=200), "points-spent", CANCELLED),
    "nothing will be earned": (points(PLACED, pending=0), "points-earned", PLACED),
    "a grant was doubled": (points(SENT, granted=61), "points-earned", SENT),
    "a cancelled order earns": (points(CANCELLED, pending=61), "points-earned", CANCELLED),
    "a key left without being paid": (money(SENT, captured=0), "charge-missing", SENT),
    "a key was paid twice": (money(SENT, captured=12200, authorised=12200), "charge-missing", SENT),
    "a cancelled order was charged": (money(CANCELLED, captured=6100), "charge-left", CANCELLED),
    "an order was charged before it was cleared": (money(PLACED, captured=6100), "charge-left", PLACED),
    "a declined checkout was charged": (
        money(CHECKOUT, captured=6100, authorised=6100),
        "charge-left",
        CHECKOUT,
    ),
    "more was refunded than captured": (money(CANCELLED, refunded=1), "charge-impossible", CANCELLED),
    "more was captured than authorised": (money(SENT, authorised=1), "charge-impossible", SENT),
    "the partner captured and we do not know": (money(PLACED, partner="captured"), "partner-differs", PLACED),
    "the partner has never heard of it": (money(SENT, partner="unknown"), "partner-differs", SENT),
    "an earlier try still holds money": (money(PLACED, left_behind=6100), "money-left-behind", PLACED),
    "a declined checkout still holds money": (money(CHECKOUT, left_behind=6100), "money-left-behind", CHECKOUT),
    "the invoice of a delivered order was never asked for": (
        money(LATER, invoice="", invoice_id=""),
        "invoice-missing",
        LATER,
    ),
    "the invoice of a delivered order was never issued": (money(LATER, invoice="requested"), "invoice-missing", LATER),
    "a cancelled order is still invoiced": (
        money(CANCELLED, invoice="issued", invoice_id="inv_left"),
        "invoice-left",
        CANCELLED,
    ),
    "an invoice has no process": (stopped(f"invoice/{INVOICE}"), "invoice-process-missing", INVOICE),
    "the process of a paid invoice goes on": (money(LATER, invoice="paid"), "invoice-process-left", INVOICE),
    "a process has no invoice": (started("invoice/inv_none"), "invoice-of-process-missing", "invoice/inv_none"),
    "a call has no outcome": (money(PLACED, open_intents=1), "call-without-outcome", PLACED),
    "the case went on and the order did not": (case(PLACED, "dispatched"), "case-differs", PLACED),
    "the order is cancelled, the case goes on": (case(CANCELLED, "making"), "case-differs", CANCELLED),
    "an order has no case": (without_case(PLACED), "case-missing", PLACED),
    "a case has no order": (case("ord_none", "making"), "order-missing", "ord_none"),
    "a case has no process": (stopped(f"sparekey-order/{PLACED}"), "process-missing", PLACED),
    "a process outlived its case": (started(f"sparekey-order/{CANCELLED}"), "process-left", CANCELLED),
    "a pending grant has no process": (stopped(f"point-grant/{SENT}"), "grant-process-missing", SENT),
    "a process has no case": (
        started("sparekey-order/ord_none"),
        "case-of-process-missing",
        "sparekey-order/ord_none",
    ),
}


@pytest.mark.rule("OP-06")
def test_books_that_agree_are_passed_over_in_silence() -> None:
    assert disagreements(sound()) == []


@pytest.mark.parametrize("state", ["checkout", "dropped"])
def test_an_order_that_is_not_placed_has_no_case_and_owes_nothing(state: str) -> None:
    undone = {"means": "", "payment": "", "partner": "none-needed"}
    unplaced = money(CHECKOUT, state=state, **undone)(without_case(CHECKOUT)(sound()))

    assert disagreements(unplaced) == []
    assert [one.kind for one in disagreements(points(CHECKOUT, held=200)(unplaced))] == ["points-held"]


def test_points_that_are_put_aside_before_a_payment_is_asked_for_are_of_an_order() -> None:
    placing = case("ord_new", "placing")(hold_of("ord_new", held=5)(sound()))

    assert "points-of-no-order" not in {one.kind for one in disagreements(placing)}


@pytest.mark.rule("OP-06")
@pytest.mark.parametrize("planted", sorted(PLANTED))
def test_each_planted_disagreement_is_found_with_its_id(planted: str) -> None:
    plant, kind, of = PLANTED[planted]

    found = disagreements(plant(sound()))

    assert (kind, of) in {(one.kind, one.of) for one in found}
