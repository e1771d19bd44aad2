from __future__ import annotations

import ast
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.chassis import log
from services.chassis.errors import NotFound
from services.chassis.ids import new_id
from services.chassis.jst import period_end
from services.chassis.log import MASKED, configure
from tests.conventions.rules import ROOT
from tests.support import logs

Lines: TypeAlias = Callable[[], list[dict[str, Any]]]
MARKED = "marked@example.jp"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    with logs.kept():
        configure("points", "info")
        yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_json_with_time_level_service_and_what_was_bound(lines: Lines) -> None:
    order = new_id("ord")

    with structlog.contextvars.bound_contextvars(request_id="r-17", rpc="/ruum.points.v1.Points/Hold"):
        structlog.get_logger().info("points-held", order_id=order, count=3, duration_ms=1.25, state="HELD")

    (line,) = lines()
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta()
    assert line == {
        "event": "points-held",
        "level": "info",
        "service": "points",
        "request_id": "r-17",
        "rpc": "/ruum.points.v1.Points/Hold",
        "order_id": order,
        "count": 3,
        "duration_ms": 1.25,
        "state": "HELD",
    }


def test_days_and_lists_of_ids_are_plain(lines: Lines) -> None:
    rooms = [new_id("room"), new_id("room")]

    structlog.get_logger().warning("lease ended", room_id=rooms, last_day=date(2026, 7, 3), retry_after=None)

    (line,) = lines()
    assert (line["room_id"], line["last_day"]) == (rooms, "2026-07-03")


@pytest.mark.rule("OP-03")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("email", MARKED),
        ("address", "Tokyo"),
        ("key_number", "7KQ20V6W"),
        ("one_time_code", 123456),
        ("registration_code", "marked"),
        ("code", 123456),
        ("reason", "she moved to Osaka"),
        ("line_user_id", "U4af4980629"),
        ("member_id", MARKED),
        ("request_id", MARKED),
        ("count", "09012345678x"),
        ("birth_date", date(1990, 1, 1)),
        ("params", {"name": "marked"}),
        ("order_id", [MARKED]),
    ],
)
def test_a_value_that_is_not_known_as_plain_is_masked(lines: Lines, key: str, value: object) -> None:
    structlog.get_logger().info("looked-at", **{key: value})

    (line,) = lines()
    assert line[key] == ([MASKED] if isinstance(value, list) else MASKED)


@pytest.mark.rule("OP-03")
@given(st.dictionaries(st.from_regex(r"[a-z]{1,12}(_[a-z]{1,8})?", fullmatch=True), st.text(min_size=1)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_with_a_space_or_beyond_ascii_gets_into_a_line(lines: Lines, values: dict[str, str]) -> None:
    said = {key: f"山田 {value}" for key, value in values.items() if key not in {"event", "level"}}

    structlog.get_logger().info("looked-at", **said)

    (line,) = lines()
    assert all(line[key] == MASKED for key in said if key not in {"service", "timestamp"})


@pytest.mark.rule("OP-03")
def test_an_event_with_data_formatted_into_it_is_masked(lines: Lines) -> None:
    structlog.get_logger().info(f"code sent to {MARKED}")

    assert lines()[0]["event"] == MASKED


@pytest.mark.rule("OP-03")
def test_an_error_is_told_by_types_and_our_places_without_its_message(lines: Lines) -> None:
    def read_address() -> None:
        try:
            int(MARKED)
        except ValueError as error:
            raise LookupError(MARKED) from error

    try:
        read_address()
    except LookupError:
        structlog.get_logger().exception("lookup-failed")
    try:
        period_end(date(2026, 7, 3))
    except ValueError as error:
        structlog.get_logger().error("count-failed", exc_info=error)

    foreign, ours = lines()
    assert [link["type"] for link in foreign["errors"]] == ["builtins.LookupError", "builtins.ValueError"]
    assert foreign["errors"][0]["frames"] == []
    assert ours["errors"][0]["frames"][0].startswith("services/chassis/jst.py:")
    assert ours["errors"][0]["frames"][0].endswith(" period_end")
    assert "marked" not in json.dumps([foreign, ours])


def test_an_error_of_our_own_is_told_by_its_code_and_not_by_its_params(lines: Lines) -> None:
    structlog.get_logger().error("refused", exc_info=NotFound(field="room", name="marked"))

    (line,) = lines()
    assert line["errors"] == [
        {"type": "services.chassis.errors.NotFound", "code": "not-found", "frames": []},
    ]


def test_errors_of_a_group_are_each_told(lines: Lines) -> None:
    group = ExceptionGroup("marked", [ValueError("marked"), ExceptionGroup("marked", [KeyError("marked")])])

    structlog.get_logger().error("tasks-failed", exc_info=group)

    types = [link["type"].removeprefix("builtins.") for link in lines()[0]["errors"]]
    assert types == ["ExceptionGroup", "ValueError", "ExceptionGroup", "KeyError"]


@pytest.mark.rule("OP-03")
def test_a_library_is_heard_without_the_data_it_was_given(lines: Lines) -> None:
    configure("points", "info")  # once more: what stdout is changes between a fixture and its test
    library = logging.getLogger("some.library")

    library.info("opened %s", MARKED)
    library.warning("cannot reach %s, trying again in %d s", MARKED, 3)
    library.warning(f"bad row ('{MARKED}', 7KQ20V6W)\nmarked")
    try:
        int(MARKED)
    except ValueError:
        library.exception("failed", extra={"address": MARKED})

    reached, bad, failed = lines()
    assert reached["event"] == "cannot reach %s, trying again in %d s"
    assert (reached["logger"], reached["level"], reached["service"]) == ("some.library", "warning", "points")
    assert bad["event"].startswith("bad row …")
    assert failed["errors"][0]["type"] == "builtins.ValueError"
    assert "marked" not in json.dumps([reached, bad, failed])
    assert "7KQ20V6W" not in json.dumps(bad)


def test_our_lines_below_the_level_are_not_printed(lines: Lines) -> None:
    structlog.get_logger().debug("looked-at")

    assert lines() == []


@pytest.mark.rule("OP-03")
@pytest.mark.parametrize(
    "crash",
    ["int('marked')", "import threading; t = threading.Thread(target=int, args=('marked',)); t.start()"],
)
def test_a_crash_is_a_line_and_its_message_stays_inside(crash: str) -> None:
    program = f"from services.chassis.log import configure; configure('store', 'info'); {crash}"

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    line = json.loads(ended.stdout)
    assert (line["event"], line["level"], line["service"]) == ("crashed", "critical", "store")
    assert line["errors"][0]["type"] == "builtins.ValueError"
    assert "marked" not in ended.stdout + ended.stderr


def test_times_are_those_of_the_machine_so_that_lines_of_all_processes_sort(lines: Lines) -> None:
    structlog.get_logger().info("looked-at")

    said = datetime.fromisoformat(lines()[0]["timestamp"])
    assert abs(datetime.now(UTC) - said) < timedelta(seconds=5)


def masked_keys(path: Path) -> set[str]:
    """The keys that a file logs by and whose values are never printed."""
    calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
    ours = (call for call in calls if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "_log")
    keys = {word.arg for call in ours for word in call.keywords if word.arg and word.arg != "exc_info"}
    return {key for key in keys if log._pattern(key) is None}


def test_each_key_that_a_service_logs_by_is_one_that_is_printed() -> None:
    masked = {str(path.relative_to(ROOT)): masked_keys(path) for path in ROOT.glob("services/**/*.py")}

    found = {path: keys for path, keys in masked.items() if keys}
    assert found == {}, f"printed as {MASKED}: name an id `…_id`, or give the key a row in services/chassis/log.py"
