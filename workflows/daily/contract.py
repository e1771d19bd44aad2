"""What is done each night as the world may speak to it: ids, input, operators' actions and steps."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal, get_args

from workflows.kit import MOMENT, TASK_QUEUE, Effort, Given, Start, Step

__all__ = ["TASK_QUEUE"]

WORKFLOW = "daily"
LOOK_AGAIN = "look_again"
LOOK_AGAIN_SAYS = "The problem is mended, or may be gone: do the chore again, or compare again"
CLOSE = "close"
CLOSE_SAYS = "Dealt with elsewhere: end this night; what is still wrong, the next one finds again"

Chore = Literal["points-expiry", "key-numbers", "keys-leaving", "reconciliation"]
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


class Difference(Given):
    """Two books that do not agree, by the code and the id that `ruum reconcile` prints."""

    kind: str
    of: str
    says: str


class Compared(Given):
    """`found`: the first thousand of `count`."""

    found: tuple[Difference, ...]
    count: int


PATIENCE = timedelta(hours=2)
"""So long a service may keep a night waiting; then an operator is called (OP-06)."""
_SWEEPING = Effort(
    once=timedelta(minutes=1),
    whole=PATIENCE,
    again=timedelta(seconds=1),
    at_most=timedelta(minutes=1),
    first=MOMENT,
)
_COMPARING = Effort(
    once=timedelta(hours=1),
    whole=PATIENCE,
    again=timedelta(seconds=10),
    at_most=timedelta(minutes=1),
)
"""Every partner is asked about every order."""

POST_EXPIRY = Step[Round, Swept]("points.post_expiry", Swept, _SWEEPING, "enter what has lapsed")
ERASE_KEY_NUMBERS = Step[Round, Swept]("sparekey.erase_key_numbers", Swept, _SWEEPING, "erase old key numbers")
KEYS_LEAVING = Step[Round, Swept]("sparekey.look_again", Swept, _SWEEPING, "have leases that ended last night noticed")
COMPARE = Step[Given, Compared]("reconcile.compare", Compared, _COMPARING, "hold all books against each other")

SWEEPS: dict[Chore, Step[Round, Swept]] = {
    "points-expiry": POST_EXPIRY,
    "key-numbers": ERASE_KEY_NUMBERS,
    "keys-leaving": KEYS_LEAVING,
}
