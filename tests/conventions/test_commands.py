from __future__ import annotations

import pytest

from services.chassis.idempotency import Command
from tests.conventions.commands import LIST, names


class Renamed(Command):
    kept_as = "Former"


class Child(Renamed):
    pass


@pytest.mark.rule("PR-10")
def test_a_command_keeps_the_name_under_which_its_requests_are_known() -> None:
    known, now = set(LIST.read_text("utf-8").split("\n")) - {""}, set(names())

    assert known - now == set(), (
        "a request that is repeated across the release would act twice: give the class that took its place "
        '`kept_as = "<its old name>"`, or take the line out if nobody sends such requests any more'
    )
    assert now - known == set(), "new: write them down with `python -m tests.conventions.commands --write`"


def test_a_renamed_command_says_what_it_was_called_and_its_children_do_not_inherit_it() -> None:
    assert (Renamed.kept_as, Child.kept_as) == ("Former", "Child")
