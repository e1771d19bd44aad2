"""The steps of the money: points held, coupon redeemed, payment authorised, captured or given back (ST-21, PT-24)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from workflows.kit import CUSTOMER_WAITS, PARTNER, SERVICE, Given, Step

Means = Literal["card", "deferred", "epos", "none"]
PaymentState = Literal[
    "none-needed",
    "requires-action",
    "authorised",
    "on-hold",
    "declined",
    "captured",
    "voided",
    "refunded",
    "unknown",
]


class OrderStep(Given):
    """One step on one order.

    Attributes:
        request_id: workflow id, step and business ordinal: the same in every repetition.
        as_of: the process's time.
        attempt: which try of placing the order.
    """

    request_id: str
    as_of: datetime
    order_id: str
    attempt: int


class BeginPlacing(OrderStep):
    snapshot_hash: str
    terms_version: str
    cancellation_version: str


class PointsPart(Given):
    line_id: str
    points: int

    @property
    def part_id(self) -> str:
        """What points calls the line of an order."""
        return self.line_id


class Placing(Given):
    """What the store froze: who pays how much, by which means, with how many points."""

    member_id: str
    points: int
    points_parts: list[PointsPart]
    due: int
    means: Means


class HoldPoints(OrderStep):
    member_id: str
    parts: list[PointsPart]


class ReleasePoints(OrderStep):
    """`reissue_lapsed`: the order ended by no fault of the customer's (SK-13, PT-25)."""

    reissue_lapsed: bool = False


class GiveBackPoints(OrderStep):
    """Points that were spent go back to their lots, part by part (PT-25)."""

    parts: list[PointsPart]
    reissue_lapsed: bool = False


class Payment(Given):
    """How the payment stands; its `means` may have been changed since the order was placed (SK-38)."""

    state: PaymentState
    means: Means | None = None
    decline_code: str = ""
    redirect_url: str = ""
    action_until: datetime | None = None
    authorised_until: datetime | None = None


class ConfirmOrder(OrderStep):
    dispatch_business_days: int


class Confirmed(Given):
    order_number: str
    promised_dispatch_on: date


class WithReason(OrderStep):
    """`reason`: a text code."""

    reason: str


class MarkOrder(OrderStep):
    state: Literal["arranged", "dispatched", "delivered", "closed"]
    happened_at: datetime | None = None
    unclaimed: bool = False


class PromiseDispatch(OrderStep):
    business_days: int


class Done(Given):
    """The step's effect stands."""


BEGIN = Step[BeginPlacing, Placing](
    "store.begin_placing", Placing, CUSTOMER_WAITS, "freeze the order, redeem its coupon"
)
HOLD = Step[HoldPoints, Done]("points.hold", Done, CUSTOMER_WAITS, "hold points")
AUTHORISE = Step[OrderStep, Payment]("store.authorise", Payment, CUSTOMER_WAITS, "authorise the payment")
CONFIRM = Step[ConfirmOrder, Confirmed]("store.confirm_order", Confirmed, CUSTOMER_WAITS, "confirm the order")
ABANDON = Step[WithReason, Done]("store.abandon_placing", Done, PARTNER, "undo: payment, coupon, credit")
RELEASE = Step[ReleasePoints, Done]("points.release", Done, SERVICE, "undo: points")
GIVE_BACK = Step[GiveBackPoints, Done]("points.give_back", Done, SERVICE, "give spent points back")
ENSURE = Step[OrderStep, Payment]("store.ensure_authorised", Payment, PARTNER, "look at the authorisation, renew it")
CAPTURE_POINTS = Step[OrderStep, Done]("points.capture", Done, SERVICE, "spend the points held")
CAPTURE = Step[OrderStep, Payment]("store.capture_payment", Payment, PARTNER, "capture the payment")
CANCEL = Step[WithReason, Done]("store.cancel_order", Done, PARTNER, "give money, coupon and credit back")
MARK = Step[MarkOrder, Done]("store.mark_order", Done, SERVICE, "tell the order how far it is")
PROMISE = Step[PromiseDispatch, Done]("store.promise_dispatch", Done, SERVICE, "promise a new day of dispatch")
INVOICE = Step[OrderStep, Done]("store.issue_invoice", Done, PARTNER, "have the invoice issued")
