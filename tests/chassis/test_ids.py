from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from services.chassis.ids import is_id, new_id


@pytest.mark.rule("PR-07")
def test_an_id_is_its_prefix_and_a_lower_case_ulid() -> None:
    value = new_id("ord")

    prefix, _, ulid = value.partition("_")
    assert prefix == "ord"
    assert ulid == ulid.lower()
    assert abs(ULID.from_str(ulid.upper()).datetime - datetime.now(UTC)).total_seconds() < 5
    assert is_id(value, "ord")


@pytest.mark.rule("PR-07")
def test_ids_of_one_millisecond_do_not_give_each_other_away() -> None:
    numbers = [int.from_bytes(ULID.from_str(new_id("mem")[4:].upper()).bytes) for _ in range(5_000)]

    steps = [abs(later - earlier) for earlier, later in itertools.pairwise(numbers)]

    assert len(set(numbers)) == len(numbers)
    assert min(steps) > 2**40


@pytest.mark.rule("PR-07")
def test_ids_sort_by_the_time_they_were_made() -> None:
    stamps = [new_id("inv")[4:14] for _ in range(1_000)]

    assert stamps == sorted(stamps)


def test_an_id_of_another_thing_is_not_taken() -> None:
    value = new_id("room")

    assert not is_id(value, "ord")
    assert not is_id(value, "roo")
    assert not is_id(value.upper(), "room")
    assert not is_id(value + "\n", "room")
    assert not is_id(value.replace("room_", "room_8")[:-1], "room")


@given(st.text())
def test_a_text_that_nobody_made_is_not_an_id(text: str) -> None:
    assert not is_id("ord_" + text, "ord") or len(text) == 26


@pytest.mark.parametrize("prefix", ["", "o", "Ord", "or d", "ord_", "9rd", "o" * 13])
def test_a_prefix_that_names_nothing_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix)
