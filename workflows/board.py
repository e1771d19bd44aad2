"""What operators see of a process in the Temporal UI, what they are called for and what they did (OP-01, OP-04)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from workflows.kit import JAPAN, Acted, OperatorAction

A = TypeVar("A", bound=Acted)

STATE = SearchAttributeKey.for_keyword("State")
DEADLINE = SearchAttributeKey.for_datetime("Deadline")
NEEDS_OPERATOR = SearchAttributeKey.for_bool("NeedsOperator")


@dataclass(frozen=True)
class Card:
    """A process as operators see it: Japanese first, English behind; ids only (OP-03).

    Attributes:
        state: for the list of cases.
        title: where the process is, in Japanese and in English.
        rows: the table below the title.
        problem: why a person must look: a code; empty when none must.
        actions: what an operator can do now, by the names of the updates.
        deadline: for the list of cases.
        findings: further lines, below the problem.
    """

    state: str
    title: tuple[str, str]
    rows: Mapping[str, str]
    problem: str = ""
    actions: Mapping[str, str] = field(default_factory=dict)
    deadline: datetime | None = None
    findings: Sequence[str] = ()

    @property
    def details(self) -> str:
        """All of it as the UI's Markdown."""
        japanese, english = self.title
        lines = [f"### {japanese}", f"*{english}*", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in self.rows.items()]
        if self.problem:
            lines += ["", f"**要対応 needs an operator:** `{self.problem}`"]
        lines += self.findings
        if self.actions:
            lines += ["", "**Actions (Send an Update):**"]
            lines += [f"- `{name}`: {says}" for name, says in self.actions.items()]
        return "\n".join(lines)


def written(instant: datetime) -> str:
    """An instant as operators read it."""
    return instant.astimezone(JAPAN).strftime("%Y-%m-%d %H:%M JST")


class Board:
    """Where a process shows itself, and calls an operator.

    Args:
        card: the process as it stands, given its problem.
        deadlines: whether the list of cases has a deadline of it.

    Attributes:
        problem: what an operator is called for by the process itself: a code; empty when all goes well.
    """

    def __init__(self, card: Callable[[str], Card], *, deadlines: bool = True) -> None:
        self.problem = ""
        self._card = card
        self._deadlines = deadlines
        self._shown = "", ""

    @property
    def wrong(self) -> str:
        """The problem as an operator is answered who asks to look again."""
        return self.problem or "nothing was wrong"

    def show(self) -> None:
        """Shows the process as it stands: each change is an event of its history, so nothing is shown twice."""
        card = self._card(self.problem)
        if (card.state, card.details) == self._shown:
            return
        self._shown = card.state, card.details
        workflow.set_current_details(card.details)
        shown: list[Any] = [STATE.value_set(card.state), NEEDS_OPERATOR.value_set(bool(card.problem))]
        if self._deadlines:
            shown.append(DEADLINE.value_set(card.deadline) if card.deadline else DEADLINE.value_unset())
        workflow.upsert_search_attributes(shown)

    def call(self, problem: str) -> None:
        """Has an operator look while the process goes on by itself; nobody, when the problem is empty."""
        if problem != self.problem:
            self.problem = problem
            self.show()

    async def stuck(self, problem: str, mended: Callable[[], bool]) -> None:
        """Calls an operator and waits: what fails for good never ends a process (OP-04)."""
        self.problem = problem
        self.show()
        await workflow.wait_condition(mended)
        self.problem = ""


def acted(kind: type[A], action: str, given: OperatorAction, **more: object) -> A:
    """An operator's action for the audit table (OP-02); its request id is made of the update's own.

    Args:
        kind: the action's record in the contract of the process.
        action: the name of the update.
        given: who acts, and why.
        more: what else the record names.
    """
    info = workflow.current_update_info()
    key = f"{workflow.info().workflow_id}/act/{info.id if info else action}"
    return kind.model_validate({"request_id": key, "action": action} | given.model_dump() | more)
