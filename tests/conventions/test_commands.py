from __future__ import annotations

import pytest

from services.chassis.idempotency import Command
from tests.conventions.commands import answered, kept, written, written_answers


class Renamed(Command):
    kept_as = "Former"


class Child(Renamed):
    pass


@pytest.mark.rule("PR-10")
def test_a_command_keeps_the_name_under_which_its_requests_are_known() -> None:
    known, now = set(written()), set(kept())

    assert known - now == set(), (
        "a request that is repeated across the release would act twice: give the class that took its place "
        '`kept_as = "<its old name>"`, or take the line out if nobody sends such requests any more'
    )
    assert now - known == set(), "new: write them down with `python -m tests.conventions.commands --write`"


@pytest.mark.rule("PR-10")
def test_a_field_that_a_command_gains_has_a_default() -> None:
    now = kept()

    gained = {name: now[name] - fields for name, fields in written().items() if name in now and now[name] - fields}

    assert gained == {}, (
        "a request that was made before the release does not have it, and would be refused as another when it is "
        "repeated: give it a default; or, if none can be under way, `python -m tests.conventions.commands --write`"
    )


@pytest.mark.rule("PR-10")
def test_a_field_that_an_answer_gains_has_a_default() -> None:
    known = written_answers()

    gained = {
        name: fields - known[name] for name, fields in answered().items() if name in known and fields - known[name]
    }

    assert gained == {}, (
        "an answer that was kept before the release does not have it, and could not be given to whoever asks again: "
        "give it a default; or, if none can be asked for, `python -m tests.conventions.commands --write`"
    )


def test_what_is_written_of_a_command_is_what_it_asks_for_and_answers() -> None:
    asked, answers = kept(), answered()

    lost = {name: fields - asked[name] for name, fields in written().items() if name in asked and fields - asked[name]}
    lost |= {name: fields - answers[name] for name, fields in written_answers().items() if fields - answers[name]}

    assert lost == {}, (
        "they need not be there any more; if they have to again, what was made meanwhile lacks them, which is seen "
        "only once this is written down: `python -m tests.conventions.commands --write`"
    )


def test_a_renamed_command_says_what_it_was_called_and_its_children_do_not_inherit_it() -> None:
    assert (Renamed.kept_as, Child.kept_as) == ("Former", "Child")
