"""What a member can do, by state and by whether they still live there: one table that shows and admits (SK-40)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from services.chassis.errors import Kind, RuumError
from services.chassis.jst import deadline
from services.sparekey.cases.models import Case
from services.sparekey.cases.transitions import State


class Action(StrEnum):
    REPLY_KEY_NUMBER = "reply-key-number"
    REQUEST_REDELIVERY = "request-redelivery"
    REPORT_NOT_MINE = "report-not-mine"
    REPORT_MAIL_REDIRECT = "report-mail-redirect"
    CHOOSE_WISH_DATE = "choose-wish-date"
    CHANGE_MEANS = "change-means"
    PAY_AT_PARTNER = "pay-at-partner"


class ActionNotPossible(RuumError):
    """The order does not admit this now (PR-13, SK-40)."""

    kind = Kind.REFUSED
    code = "key-action-not-possible"


class NumberNotAsked(ActionNotPossible):
    """No number is asked for: it was accepted, is being checked, or the time is over (SK-14)."""

    code = "key-number-not-asked"


class RedeliveryNotPossible(ActionNotPossible):
    """The parcel is not at the maker, or its month is over (SK-34)."""

    code = "key-redelivery-not-possible"


class WishNotAsked(ActionNotPossible):
    """No other day is asked for (SK-25)."""

    code = "key-wish-date-not-asked"


class AlreadyReported(ActionNotPossible):
    """It was reported before, or the order is over."""

    code = "key-report-not-possible"


REFUSALS: Mapping[Action, type[ActionNotPossible]] = {
    Action.REPLY_KEY_NUMBER: NumberNotAsked,
    Action.REQUEST_REDELIVERY: RedeliveryNotPossible,
    Action.CHOOSE_WISH_DATE: WishNotAsked,
    Action.REPORT_NOT_MINE: AlreadyReported,
    Action.REPORT_MAIL_REDIRECT: AlreadyReported,
}

_REPORTS = (Action.REPORT_NOT_MINE, Action.REPORT_MAIL_REDIRECT)


@dataclass(frozen=True)
class Row:
    """One state: what happens next, and what can be done. Only residents act for the room; reports are anybody's."""

    next: str
    resident: tuple[Action, ...] = ()
    anybody: tuple[Action, ...] = ()


TABLE: Mapping[State, Row] = {
    State.DRAFT: Row("key-next-order"),
    State.PLACING: Row("key-next-payment", anybody=(Action.PAY_AT_PARTNER,)),
    State.CHECKING: Row("key-next-number-checked", anybody=_REPORTS),
    State.NUMBER_ASKED: Row("key-next-your-key-number", (Action.REPLY_KEY_NUMBER,), _REPORTS),
    State.ACCEPTED: Row("key-next-keys-ordered", anybody=_REPORTS),
    State.MAKING: Row("key-next-keys-cut", anybody=_REPORTS),
    State.READY: Row("key-next-dispatch", (Action.CHOOSE_WISH_DATE,), _REPORTS),
    State.CLEARED: Row("key-next-payment-made", anybody=(Action.CHANGE_MEANS, Action.PAY_AT_PARTNER, *_REPORTS)),
    State.STOPPED: Row("key-next-decision", anybody=_REPORTS),
    State.RELEASED: Row("key-next-handed-to-post", anybody=_REPORTS),
    State.DISPATCHED: Row("key-next-delivery", anybody=_REPORTS),
    State.ABSENT: Row("key-next-arrange-with-post", anybody=_REPORTS),
    State.RETURNED: Row("key-next-your-redelivery", (Action.REQUEST_REDELIVERY,), _REPORTS),
    State.REDELIVERY_REQUESTED: Row("key-next-redelivery-arranged", anybody=_REPORTS),
    State.REDELIVERING: Row("key-next-redelivery", anybody=_REPORTS),
    State.HANDED_OVER: Row("key-next-nothing"),
    State.LOST: Row("key-next-lost-decision"),
    State.CANCELLING: Row("key-next-everything-back"),
    State.CANCELLED: Row("key-next-nothing-cancelled"),
    State.DESTROYED: Row("key-next-nothing-destroyed"),
}

_ASKED: Mapping[Action, str] = {
    Action.CHOOSE_WISH_DATE: "key-next-your-wish-date",
    Action.CHANGE_MEANS: "key-next-your-means",
    Action.PAY_AT_PARTNER: "key-next-your-payment",
}
"""What the member is asked for where the state alone does not say so."""

_NOT_THEIRS: Mapping[str, str] = {
    "key-next-your-key-number": "key-next-number-asked",
    "key-next-your-redelivery": "key-next-storage-ends",
}
"""What happens next where the member cannot do what is asked for: they no longer live there, or the time is over."""

_PROMISED = frozenset({State.CHECKING, State.ACCEPTED, State.MAKING, State.READY, State.CLEARED, State.RELEASED})


@dataclass(frozen=True)
class Situation:
    """What an action depends on besides the state.

    Attributes:
        resident: the member may still act for the room (RM-05).
        means_wanted: the store asks for another means of payment.
        payer_awaited_until: the payer is at the partner's page.
        promised_on: the store's present promise.
    """

    now: datetime
    resident: bool
    means_wanted: bool = False
    payer_awaited_until: datetime | None = None
    promised_on: date | None = None


@dataclass(frozen=True)
class Outlook:
    """What happens next, until when, and what the member can do."""

    next: str
    until: datetime | None
    actions: tuple[Action, ...]


def outlook(case: Case, given: Situation) -> Outlook:
    """What the order page says (SK-40)."""
    state = State(case.state)
    row = TABLE[state]
    offered = (*(row.resident if given.resident else ()), *row.anybody)
    actions = tuple(action for action in offered if _open(action, case, given))
    return Outlook(_next(case, row, actions), _until(case, given), actions)


def admit(action: Action, case: Case, given: Situation) -> None:
    """Lets an action pass that the order page would show, and no other (SK-40).

    Raises:
        ActionNotPossible: by the action's own name.
    """
    if action not in outlook(case, given).actions:
        raise REFUSALS.get(action, ActionNotPossible)(state=case.state)


def _open(action: Action, case: Case, given: Situation) -> bool:
    match action:
        case Action.REPLY_KEY_NUMBER | Action.REQUEST_REDELIVERY:
            return case.in_time(given.now)
        case Action.CHOOSE_WISH_DATE:
            return case.wish_asked and case.in_time(given.now)
        case Action.REPORT_NOT_MINE:
            return case.not_mine_at is None
        case Action.REPORT_MAIL_REDIRECT:
            return case.redirect_at is None
        case Action.CHANGE_MEANS:
            return given.means_wanted
        case Action.PAY_AT_PARTNER:
            return given.payer_awaited_until is not None and given.now < given.payer_awaited_until


def _next(case: Case, row: Row, actions: tuple[Action, ...]) -> str:
    asked = next((said for action, said in _ASKED.items() if action in actions), "")
    if asked:
        return asked
    if row.next in _NOT_THEIRS and not set(row.resident) & set(actions):
        return _NOT_THEIRS[row.next]
    return "key-next-keys-remade" if case.state == State.ACCEPTED and case.making else row.next


def _until(case: Case, given: Situation) -> datetime | None:
    """The rule's deadline, else the promised day, else the day on which an operator is called."""
    if case.state == State.PLACING or given.payer_awaited_until is not None:
        return given.payer_awaited_until
    if case.deadline is not None:
        return case.deadline
    if case.state in _PROMISED:
        promised = given.promised_on or case.promised_on
        return deadline(promised) if promised else None
    return case.patience_until
