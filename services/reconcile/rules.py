"""What must agree with what: one function a rule, each naming its disagreement (OP-06)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from services.reconcile.facts import Books, Disagreement, Money, Points

NOT_PLACED = {"checkout", "dropped"}
GOING_ON = {"placed", "arranged", "dispatched", "cancelling"}
SENT = {"dispatched", "delivered", "closed"}
ENDED_CASES = {"draft", "handed-over", "cancelled", "destroyed"}
IN_DOUBT = {"placing", "awaiting-payer", "cancelling"}
"""States in which the money is on its way: compared again when they have passed."""
GRANTS_AFTER = {"placed", "arranged", "dispatched", "delivered", "closed"}

_CASE_OF_ORDER: dict[str, set[str]] = {
    "checkout": {"draft", "placing"},
    "dropped": {"draft"},
    "placing": {"placing", "draft", "checking"},
    "awaiting-payer": {"placing"},
    "placed": {"placing", "checking", "number-asked", "accepted", "stopped", "cancelling"},
    "arranged": {"accepted", "making", "ready", "cleared", "stopped", "released", "dispatched", "cancelling"},
    "dispatched": {
        "dispatched",
        "absent",
        "returned",
        "redelivery-requested",
        "redelivering",
        "handed-over",
        "lost",
        "stopped",
        "making",
        "ready",
        "cleared",
        "released",
        "destroyed",
        "cancelling",
    },
    "delivered": {"handed-over"},
    "cancelling": {"cancelling"},
    "cancelled": {"cancelled", "cancelling"},
    "closed": {"destroyed", "handed-over"},
}

Rule = Callable[[Books], Iterator[Disagreement]]


def ledger_balances(books: Books) -> Iterator[Disagreement]:
    if books.ledger_sum:
        yield Disagreement("ledger-not-zero", "ledger", f"the accounts sum to {books.ledger_sum}")


def sums_are_those_of_their_rows(books: Books) -> Iterator[Disagreement]:
    """What is kept beside the rows: balances, credit, uses of coupons (ledger invariants, ST-12, ST-24)."""
    for kind, of in books.differing:
        yield Disagreement(f"{kind}-differs", of, "what is kept is not the sum of its rows")


def points_are_of_an_order(books: Books) -> Iterator[Disagreement]:
    """What is put aside or pending belongs to an order that somebody else knows of."""
    for order_id, points in books.points.items():
        known = order_id in books.money or books.cases.get(order_id, "draft") != "draft"
        if (points.held or points.pending) and not known:
            sums = f"{points.held} held, {points.pending} pending, and neither payment nor case is known"
            yield Disagreement("points-of-no-order", order_id, sums)


def points_follow_the_order(books: Books) -> Iterator[Disagreement]:
    """Held while it goes on, spent once it is sent, free again when it is not placed or cancelled (PT-24)."""
    for order_id, money in books.money.items():
        if money.state in IN_DOUBT:
            continue
        points = books.points.get(order_id, Points())
        held, spent = _points_due(money)
        if held is not None and points.held != held:
            yield Disagreement("points-held", order_id, f"{money.state}: {points.held} held, {held} expected")
        if points.captured - points.given_back != spent:
            found = points.captured - points.given_back
            yield Disagreement("points-spent", order_id, f"{money.state}: {found} spent, {spent} expected")


def _points_due(money: Money) -> tuple[int | None, int]:
    """What should be held, and what should have been spent; a cut key's points may be either until it is sent."""
    if money.state in {"checkout", "dropped", "cancelled"}:
        return 0, 0
    if money.state in SENT:
        return 0, money.points
    if money.payment == "captured" or (money.state == "arranged" and money.means in {"none", "deferred"}):
        return None, money.points if money.payment == "captured" else 0
    return money.points, 0


def grant_follows_the_order(books: Books) -> Iterator[Disagreement]:
    """What an order earns is pending or granted, once, and nothing is for one that was cancelled (PT-05)."""
    for order_id, money in books.money.items():
        points = books.points.get(order_id, Points())
        expected = money.earns if money.state in GRANTS_AFTER else 0
        found = points.pending + points.granted
        if money.state not in IN_DOUBT and found != expected:
            yield Disagreement("points-earned", order_id, f"{money.state}: {found} earned, {expected} expected")


def charge_follows_the_order(books: Books) -> Iterator[Disagreement]:
    """Charged once it is sent, not before it is cleared, and all of it back when it was cancelled (SK-38)."""
    for order_id, money in books.money.items():
        charged = money.captured - money.refunded
        if money.state in SENT and money.means in {"card", "epos"} and charged != money.due:
            yield Disagreement("charge-missing", order_id, f"{money.state}: {charged} yen kept, {money.due} due")
        if money.state in {"checkout", "dropped", "placed", "cancelled"} and charged:
            yield Disagreement("charge-left", order_id, f"{money.state}: {charged} yen kept, none due")
        if not money.refunded <= money.captured <= money.authorised:
            sums = f"{money.refunded} refunded, {money.captured} captured, {money.authorised} authorised"
            yield Disagreement("charge-impossible", order_id, sums)


NO_PARTNER = {"none", ""}
"""Nothing was due, or no payment counts: the order is a checkout again."""
_NOTHING_TAKEN = {"declined", "voided"}
"""An authorisation that lapsed is one word here and the other there; neither took any money."""


def partner_agrees(books: Books) -> Iterator[Disagreement]:
    for order_id, money in books.money.items():
        if money.state in IN_DOUBT or money.means in NO_PARTNER:
            continue
        if {money.partner, money.payment} <= _NOTHING_TAKEN:
            continue
        if money.partner != money.payment:
            yield Disagreement("partner-differs", order_id, f"ours {money.payment}, the partner's {money.partner}")


def nothing_is_left_behind(books: Books) -> Iterator[Disagreement]:
    """What an earlier try, or a payment that was replaced, had taken has come back (ST-21, ST-23)."""
    for order_id, money in books.money.items():
        if money.left_behind and money.state not in IN_DOUBT:
            held = f"{money.state}: {money.left_behind} yen held or kept by a payment that counts no more"
            yield Disagreement("money-left-behind", order_id, held)


_INVOICED = {"delivered", "closed"}
_UNPAID = {"requested", "issued", "late"}


def invoice_follows_the_order(books: Books) -> Iterator[Disagreement]:
    """What is paid later has its invoice once the goods came, and what was cancelled has none to pay (SK-38, ST-24)."""
    for order_id, money in books.money.items():
        wanted = money.means == "deferred" and money.state in _INVOICED
        if wanted and money.invoice in {"", "requested", "cancelled"}:
            yield Disagreement("invoice-missing", order_id, f"{money.state}: {money.invoice or 'none'}")
        if money.state == "cancelled" and money.invoice in _UNPAID:
            yield Disagreement("invoice-left", order_id, f"the order is cancelled, {money.invoice_id} {money.invoice}")


def invoice_process_runs(books: Books) -> Iterator[Disagreement]:
    """An invoice that is to be paid has its process, which reminds and charges; one that is over has none (ST-24)."""
    known = {}
    for order_id, money in books.money.items():
        known[f"invoice/{money.invoice_id}"] = money
        runs = f"invoice/{money.invoice_id}" in books.running
        about = f"of {order_id}: {money.invoice}"
        if money.invoice in {"issued", "late"} and not runs:
            yield Disagreement("invoice-process-missing", money.invoice_id, about)
        if money.invoice in {"paid", "cancelled"} and runs:
            yield Disagreement("invoice-process-left", money.invoice_id, about)
    for workflow_id in sorted(books.running - set(known)):
        if workflow_id.startswith("invoice/"):
            yield Disagreement("invoice-of-process-missing", workflow_id, "it runs, and no invoice is known")


def no_call_is_open(books: Books) -> Iterator[Disagreement]:
    for order_id, money in books.money.items():
        if money.open_intents:
            yield Disagreement("call-without-outcome", order_id, f"{money.open_intents} calls to the partner")


def case_follows_the_order(books: Books) -> Iterator[Disagreement]:
    for order_id in sorted({*books.money, *books.cases}):
        money, case = books.money.get(order_id), books.cases.get(order_id)
        if money is None:
            if case != "draft":
                yield Disagreement("order-missing", order_id, f"the case is {case}, the store knows of no payment")
        elif case is None:
            if money.state in NOT_PLACED:
                continue  # drafts are not listed; a dropped one is no more
            yield Disagreement("case-missing", order_id, f"the order is {money.state}")
        elif case not in _CASE_OF_ORDER[money.state]:
            yield Disagreement("case-differs", order_id, f"the order is {money.state}, the case {case}")


def process_runs(books: Books) -> Iterator[Disagreement]:
    """A case that goes on has its workflow, one that has ended has none; so has a grant that is pending."""
    for order_id, case in books.cases.items():
        runs = f"sparekey-order/{order_id}" in books.running
        if case not in ENDED_CASES and not runs:
            yield Disagreement("process-missing", order_id, f"the case is {case}")
        if case in ENDED_CASES - {"draft"} and runs:
            yield Disagreement("process-left", order_id, f"the case is {case}")
    for order_id, points in books.points.items():
        if points.pending and f"point-grant/{order_id}" not in books.running:
            yield Disagreement("grant-process-missing", order_id, f"{points.pending} points are pending")
    known = {f"sparekey-order/{order_id}" for order_id in books.cases}
    for workflow_id in sorted(books.running):
        if workflow_id.startswith("sparekey-order/") and workflow_id not in known:
            yield Disagreement("case-of-process-missing", workflow_id, "it runs, and no case is known")


RULES: tuple[Rule, ...] = (
    ledger_balances,
    sums_are_those_of_their_rows,
    points_are_of_an_order,
    points_follow_the_order,
    grant_follows_the_order,
    charge_follows_the_order,
    partner_agrees,
    nothing_is_left_behind,
    no_call_is_open,
    invoice_follows_the_order,
    invoice_process_runs,
    case_follows_the_order,
    process_runs,
)


def disagreements(books: Books) -> list[Disagreement]:
    """Every disagreement there is."""
    return sorted(found for rule in RULES for found in rule(books))
