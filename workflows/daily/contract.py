"""What is done each night as the world may speak to it: ids, input and steps."""

from __future__ import annotations

from datetime import date
from typing import Literal, get_args

from workflows.kit import SERVICE, TASK_QUEUE, Given, Start, Step

__all__ = ["TASK_QUEUE"]

WORKFLOW = "daily"

Chore = Literal["points-expiry", "key-numbers", "keys-leaving"]
CHORES: tuple[Chore, ...] = get_args(Chore)


def workflow_id(chore: Chore) -> str:
    """Also the id of the schedule; Temporal adds the instant to it."""
    return f"{chore}/daily"


class StartChore(Start):
    """Which chore.

    Attributes:
        day: the day that is over, where a long night goes on in a further run.
        rounds: how many it has had.
    """

    chore: Chore
    day: date | None = None
    rounds: int = 0


class Round(Given):
    """One round of a chore; `request_id`: chore, day and round, so that a night may be done twice (PR-10)."""

    request_id: str
    day: date


class Swept(Given):
    """`more`: another round is needed."""

    done: int
    more: bool = False


POST_EXPIRY = Step[Round, Swept]("points.post_expiry", Swept, SERVICE, "enter what has lapsed")
ERASE_KEY_NUMBERS = Step[Round, Swept]("sparekey.erase_key_numbers", Swept, SERVICE, "erase old key numbers")

LOOK_AGAIN = Step[Round, Swept]("sparekey.look_again", Swept, SERVICE, "have leases that ended last night noticed")

STEPS: dict[Chore, Step[Round, Swept]] = {
    "points-expiry": POST_EXPIRY,
    "key-numbers": ERASE_KEY_NUMBERS,
    "keys-leaving": LOOK_AGAIN,
}
