"""The spare-key order as the world may speak to it: ids, inputs, answers, signals and steps."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from workflows.kit import PARTNER, SERVICE, TASK_QUEUE, Given, Start, Step

__all__ = ["TASK_QUEUE"]

WORKFLOW = "sparekey-order"
PLACE = "place"
CASE_CHANGED = "case_changed"
PAYMENT_CHANGED = "payment_changed"

CaseState = Literal[
    "draft",
    "placing",
    "checking",
    "number-asked",
    "accepted",
    "making",
    "ready",
    "cleared",
    "stopped",
    "released",
    "dispatched",
    "absent",
    "returned",
    "redelivery-requested",
    "redelivering",
    "handed-over",
    "lost",
    "cancelling",
    "cancelled",
    "destroyed",
]


def workflow_id(order_id: str) -> str:
    return f"{WORKFLOW}/{order_id}"


class StartOrder(Start):
    """Which order; everything else is asked of the services."""

    order_id: str
    member_id: str
    room_id: str


class Place(Given):
    """The order is to be placed: what was confirmed, and which try this is."""

    attempt: int = Field(ge=1)
    snapshot_hash: str
    terms_version: str
    cancellation_version: str
    dispatch_business_days: int = Field(default=7, ge=1)
    """In how many the key is promised to leave, from its confirmation and whenever it is promised anew (SK-28)."""


class PlaceAnswer(Given):
    """What the customer is told."""

    outcome: Literal["placed", "declined", "requires-action", "pending"]
    decline_code: str = ""
    redirect_url: str = ""
    action_until: datetime | None = None
    order_number: str = ""


class Case(Given):
    """Where the case stands, by the service that owns it (SK-40). Instants are absolute (OP-05).

    Attributes:
        deadline: until when the present state waits, where a rule ends it.
        patience_until: when an operator is called if nothing comes (OP-06).
        remind_at: when the member is to be reminded next.
        needs_operator: why a person must look; empty when none must.
        look_due: lease and membership are to be looked at again before anything leaves (SK-05).
        arranged_at: when the maker took the order of the keys; it is asked again and again until it has.
    """

    version: int
    state: CaseState
    deadline: datetime | None = None
    patience_until: datetime | None = None
    remind_at: datetime | None = None
    reminder: str = ""
    reminder_days: int = 0
    check_round: int = 0
    redelivery: int = 0
    needs_operator: str = ""
    reason: str = ""
    look_due: bool = False
    arranged_at: datetime | None = None
    dispatched_at: datetime | None = None
    handed_over_at: datetime | None = None


class CaseStep(Given):
    """One step on one case; `request_id` is the same in every repetition of the step."""

    request_id: str
    as_of: datetime
    order_id: str


class CheckRound(CaseStep):
    check_round: int


class Redelivery(CaseStep):
    redelivery: int


class Reminder(CaseStep):
    reminder: str
    days: int
    redelivery: int


class Because(CaseStep):
    """`reason`: a code."""

    reason: str


class Abandoned(Because):
    """Which try was not placed: an answer that comes late undoes no later one."""

    attempt: int


class CloseCase(CaseStep):
    state: Literal["handed-over", "cancelled", "destroyed"]
    reason: str = ""


class Acted(CaseStep):
    """An operator's action on its way to the audit table (OP-02)."""

    operator: str
    reason: str
    action: str
    arguments: dict[str, str] = Field(default_factory=dict)


class CaseRef(Given):
    order_id: str


GET = Step[CaseRef, Case]("sparekey.get_case", Case, SERVICE, "read the case")
CONFIRM = Step[CaseStep, Case]("sparekey.confirm_placed", Case, SERVICE, "the case begins")
ABANDON = Step[Abandoned, Case]("sparekey.abandon_placed", Case, SERVICE, "the draft is open again")
CHECK = Step[CheckRound, Case]("sparekey.request_check", Case, PARTNER, "have the maker look the number up")
EXPIRE = Step[CaseStep, Case]("sparekey.expire_if_waiting", Case, SERVICE, "the time is up: who was first?")
ORDER_KEYS = Step[CaseStep, Case]("sparekey.order_keys", Case, PARTNER, "order the keys from the maker")
CHECK_DISPATCH = Step[CaseStep, Case]("sparekey.check_dispatch", Case, SERVICE, "look at lease and membership again")
RELEASE = Step[CaseStep, Case]("sparekey.release_dispatch", Case, PARTNER, "let the maker dispatch")
REDELIVER = Step[Redelivery, Case]("sparekey.dispatch_redelivery", Case, PARTNER, "let the maker dispatch again")
STOP = Step[CaseStep, Case]("sparekey.stop_at_maker", Case, PARTNER, "stop the maker")
REMIND = Step[Reminder, Case]("sparekey.remind_member", Case, SERVICE, "remind the member")
CALL_OPERATOR = Step[Because, Case]("sparekey.call_operator", Case, SERVICE, "call an operator")
CLOSE = Step[CloseCase, Case]("sparekey.close_case", Case, SERVICE, "close the case")
ACT = Step[Acted, Case]("sparekey.act_as_operator", Case, SERVICE, "carry out an operator's action")
