"""What members hear when their order comes to wait for them, made of the case as it then is.

For another means of payment the store asks them. Who says it once more tells an event of its own: points acts on these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.chassis.jst import deadline, period_end
from services.sparekey.cases.events import KeyNumberAsked, KeyReturned, OfOrder, RecipientAbsent, WishDatePassed
from services.sparekey.cases.models import CARRIER, Case
from services.sparekey.cases.transitions import State
from services.sparekey.settings import Rules


def asked(rules: Rules, case: Case) -> OfOrder:
    """The fact that says what the order waits for.

    Raises:
        KeyError: it does not wait for its member.
    """
    return _ASKED[State(case.state)](rules, case)


def at_the_door(rules: Rules, carrier: str) -> int:
    """Yen to be paid on delivery: only the parcel carrier collects (SK-34)."""
    return rules.redelivery_charge if carrier == CARRIER else 0


def _number(_rules: Rules, case: Case) -> OfOrder:
    return KeyNumberAsked.of(case, deadline=case.deadline, round=case.check_round)


def _wish(_rules: Rules, case: Case) -> OfOrder:
    return WishDatePassed.of(case)


def _at_home(rules: Rules, case: Case) -> OfOrder:
    # Told also when the hold is over already, and with it the case's own deadline.
    since = case.absent_since or case.entered_at
    return RecipientAbsent.of(
        case,
        held_until=deadline(period_end(since, days=rules.hold_days)),
        redelivery=case.redelivery,
        tracking_number=case.tracking_number,
        charge=at_the_door(rules, case.carrier),
    )


def _redelivery(rules: Rules, case: Case) -> OfOrder:
    return KeyReturned.of(case, deadline=case.deadline, charge=rules.redelivery_charge, redelivery=case.redelivery)


_ASKED: Mapping[State, Callable[[Rules, Case], OfOrder]] = {
    State.NUMBER_ASKED: _number,  # SK-13
    State.READY: _wish,  # SK-25
    State.ABSENT: _at_home,  # SK-32
    State.RETURNED: _redelivery,  # SK-34
}
