"""The states of a case, and the declared table of what may lead from which to which (PR-13)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from services.chassis.errors import Kind, RuumError


class State(StrEnum):
    """Where a key is; written as the process writes it."""

    DRAFT = "draft"
    PLACING = "placing"
    CHECKING = "checking"
    NUMBER_ASKED = "number-asked"
    ACCEPTED = "accepted"
    MAKING = "making"
    READY = "ready"
    CLEARED = "cleared"
    STOPPED = "stopped"
    RELEASED = "released"
    DISPATCHED = "dispatched"
    ABSENT = "absent"
    RETURNED = "returned"
    REDELIVERY_REQUESTED = "redelivery-requested"
    REDELIVERING = "redelivering"
    HANDED_OVER = "handed-over"
    LOST = "lost"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    DESTROYED = "destroyed"


class Cause(StrEnum):
    """What moves a case."""

    PLACED = "placed"
    ABANDONED = "abandoned"
    CONFIRMED = "confirmed"
    NUMBER_EXISTS = "number-exists"
    NUMBER_UNKNOWN = "number-unknown"
    NUMBER_GIVEN = "number-given"
    TIME_UP = "time-up"
    KEYS_ORDERED = "keys-ordered"
    MAKER_REFUSED = "maker-refused"
    CUT = "cut"
    CLEARED = "cleared"
    STOPPED = "stopped"
    RELEASED = "released"
    DISPATCHED = "dispatched"
    ABSENT = "absent"
    HANDED_OVER = "handed-over"
    LOST = "lost"
    RETURNED = "returned"
    REDELIVERY_REQUESTED = "redelivery-requested"
    REDELIVERY_BEGUN = "redelivery-begun"
    REMADE = "remade"
    REPORTED = "reported"
    LET_GO = "let-go"
    REJECTED = "rejected"
    DECIDED = "decided"
    DESTROYED = "destroyed"
    CLOSED = "closed"
    NOTED = "noted"
    """Something became known that leaves the case where it is."""


S, C = State, Cause

TABLE: Mapping[Cause, Mapping[State, tuple[State, ...]]] = {
    C.PLACED: {S.DRAFT: (S.PLACING,)},
    C.ABANDONED: {S.PLACING: (S.DRAFT,)},
    C.CONFIRMED: {S.PLACING: (S.CHECKING,)},
    C.NUMBER_EXISTS: {S.CHECKING: (S.ACCEPTED,)},
    C.NUMBER_UNKNOWN: {
        S.CHECKING: (S.NUMBER_ASKED, S.CANCELLING),
        S.ACCEPTED: (S.NUMBER_ASKED, S.CANCELLING),
    },
    C.NUMBER_GIVEN: {S.NUMBER_ASKED: (S.CHECKING,), S.CHECKING: (S.CHECKING,)},
    C.TIME_UP: {
        S.NUMBER_ASKED: (S.CANCELLING,),
        S.RETURNED: (S.DESTROYED,),
        S.READY: (S.READY,),
        S.ABSENT: (S.ABSENT,),
    },
    C.KEYS_ORDERED: {S.ACCEPTED: (S.MAKING,)},
    C.MAKER_REFUSED: {
        S.MAKING: (S.ACCEPTED,),
        S.RELEASED: (S.STOPPED,),
        S.REDELIVERING: (S.STOPPED,),
    },
    C.CUT: {S.MAKING: (S.READY,)},
    C.CLEARED: {S.READY: (S.CLEARED,)},
    C.STOPPED: {
        S.MAKING: (S.STOPPED,),
        S.READY: (S.STOPPED,),
        S.CLEARED: (S.STOPPED,),
        S.RELEASED: (S.STOPPED,),
        S.REDELIVERY_REQUESTED: (S.STOPPED,),
        S.REDELIVERING: (S.STOPPED,),
        S.STOPPED: (S.STOPPED,),
        S.CANCELLING: (S.STOPPED,),
    },
    C.RELEASED: {S.CLEARED: (S.RELEASED,)},
    C.DISPATCHED: {
        S.RELEASED: (S.DISPATCHED,),
        S.STOPPED: (S.DISPATCHED, S.REDELIVERING),
        S.CANCELLING: (S.DISPATCHED, S.REDELIVERING),
        S.DISPATCHED: (S.DISPATCHED,),
        S.REDELIVERING: (S.REDELIVERING,),
    },
    C.ABSENT: {S.DISPATCHED: (S.ABSENT,), S.REDELIVERING: (S.ABSENT,), S.ABSENT: (S.ABSENT,)},
    C.HANDED_OVER: {
        S.DISPATCHED: (S.HANDED_OVER,),
        S.ABSENT: (S.HANDED_OVER,),
        S.REDELIVERING: (S.HANDED_OVER,),
        S.LOST: (S.HANDED_OVER,),
    },
    C.LOST: {S.DISPATCHED: (S.LOST,), S.ABSENT: (S.LOST,), S.REDELIVERING: (S.LOST,)},
    C.RETURNED: {
        S.DISPATCHED: (S.RETURNED,),
        S.ABSENT: (S.RETURNED,),
        S.REDELIVERING: (S.RETURNED,),
        S.LOST: (S.RETURNED,),
    },
    C.REDELIVERY_REQUESTED: {S.RETURNED: (S.REDELIVERY_REQUESTED,)},
    C.REDELIVERY_BEGUN: {S.REDELIVERY_REQUESTED: (S.REDELIVERING,)},
    C.REMADE: {S.LOST: (S.ACCEPTED,), S.REDELIVERY_REQUESTED: (S.ACCEPTED,), S.REDELIVERING: (S.ACCEPTED,)},
    C.REPORTED: {
        S.CHECKING: (S.CANCELLING,),
        S.NUMBER_ASKED: (S.CANCELLING,),
        S.ACCEPTED: (S.CANCELLING,),
        S.MAKING: (S.CANCELLING,),
        S.READY: (S.STOPPED,),
        S.CLEARED: (S.STOPPED,),
        S.RELEASED: (S.STOPPED,),
        S.RETURNED: (S.STOPPED,),
        S.REDELIVERY_REQUESTED: (S.STOPPED,),
        S.REDELIVERING: (S.STOPPED,),
    },
    C.LET_GO: {S.STOPPED: (S.ACCEPTED, S.READY, S.RETURNED, S.REDELIVERY_REQUESTED)},
    C.REJECTED: {S.STOPPED: (S.CANCELLING,)},
    C.DECIDED: {S.LOST: (S.CANCELLING,), S.STOPPED: (S.CANCELLING, S.DESTROYED)},
    C.DESTROYED: {S.RETURNED: (S.DESTROYED,), S.STOPPED: (S.DESTROYED,)},
    C.CLOSED: {
        S.CANCELLING: (S.CANCELLED,),
        S.HANDED_OVER: (S.HANDED_OVER,),
        S.DESTROYED: (S.DESTROYED,),
    },
    C.NOTED: {state: (state,) for state in State if state is not State.DRAFT},
}


class TransitionImpossible(RuumError):
    """The case does not stand where this could happen (PR-13)."""

    kind = Kind.REFUSED
    code = "key-order-not-there"


def leads(state: State, cause: Cause, to: State) -> bool:
    """Whether the table has it."""
    return to in TABLE[cause].get(state, ())


def admits(state: State, cause: Cause) -> bool:
    """Whether the cause can move a case that stands there."""
    return state in TABLE[cause]
