"""The grant of an order's points as the world may speak to it: id, input, signal, operators' action and steps."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from workflows.kit import SERVICE, TASK_QUEUE, Acted, Given, Recorded, Start, Step

__all__ = ["TASK_QUEUE"]

WORKFLOW = "point-grant"
REVIEW = "review"
LOOK_AGAIN = "look_again"
LOOK_AGAIN_SAYS = "The problem is mended: look at the grant again"

State = Literal["pending", "granted", "cancelled"]


def workflow_id(order_id: str) -> str:
    return f"{WORKFLOW}/{order_id}"


class StartGrant(Start):
    """Whose grant; everything else is asked of points."""

    order_id: str
    member_id: str


class ReviewGrant(Given):
    """`as_of`: the process's time."""

    order_id: str
    as_of: datetime


class PostGrant(ReviewGrant):
    """`request_id`: workflow id, step and `as_of`: what is put off once may be granted later."""

    request_id: str


class Standing(Given):
    """Where the grant stands, by the service that owns it.

    Attributes:
        due_at: when it is granted; nothing while nobody knows.
    """

    state: State
    points: int
    due_at: datetime | None = None


class ActedOnGrant(Acted):
    order_id: str


REVIEW_GRANT = Step[ReviewGrant, Standing]("points.review_grant", Standing, SERVICE, "see where the grant stands")
POST_GRANT = Step[PostGrant, Standing]("points.post_grant", Standing, SERVICE, "grant what is due")
RECORD_ACTION = Step[ActedOnGrant, Recorded]("points.record_action", Recorded, SERVICE, "note the operator's action")
