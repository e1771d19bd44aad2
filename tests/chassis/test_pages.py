"""Pages behind cursors (PR-16)."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from services.chassis.errors import InvalidField
from services.chassis.pages import Page

START = datetime(2026, 5, 31, tzinfo=UTC)
ROW = f"ord_{5:026}"
_rows = sa.table("rows", sa.column("at", sa.DateTime(timezone=True)), sa.column("id", sa.Text))


def rows(count: int) -> list[tuple[datetime, str]]:
    """The newest first, every two at the same instant."""
    made = [(START + timedelta(hours=turn // 2), f"ord_{turn:026}") for turn in range(count)]
    return sorted(made, reverse=True)


def walked(found: list[tuple[datetime, str]], size: int) -> Iterator[list[tuple[datetime, str]]]:
    """Follows the cursors as the database would: what lies after the last row, and one more."""
    cursor = ""
    while True:
        page = Page(cursor=cursor, size=size)
        after = page.after(datetime, str)
        rest = [row for row in found if after is None or row < after]
        listed = page.listed(rest[: page.limit + 1], lambda row: row)
        yield list(listed.items)
        cursor = listed.next_cursor
        if not cursor:
            return


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 8])
def test_following_the_cursor_shows_each_row_once_and_ends_with_a_row(count: int) -> None:
    pages = list(walked(rows(count), 4))

    assert [row for page in pages for row in page] == rows(count)
    assert len(pages) == max(1, -(-count // 4)), "a last page that is full has no next"


def test_nobody_who_asks_for_no_size_gets_all() -> None:
    assert Page().limit == 20


def _written(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "?",
        "AAA",
        _written("ord_1"),
        _written('"ord_1"'),
        _written("5"),
        _written('["ord_\\u0000"]'),
        _written(f'["{START.isoformat()}", "\\u0000_{5:026}"]'),
        _written(f'["{START.isoformat()}", "\\ud800_{5:026}"]'),
        _written(f'["{ROW}"]'),
        _written(f'["2026-05-31T00:00:00", "{ROW}"]'),
        _written(f'[7, "{ROW}"]'),
        _written(f'["{START.isoformat()}", 7]'),
        _written(f'["{START.isoformat()}", "{ROW}", 7]'),
    ],
)
def test_a_cursor_that_was_not_issued_here_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidField) as refused:
        Page(cursor=cursor).after(datetime, str)

    assert [(it.field, it.code) for it in refused.value.violations] == [("page.cursor", "cursor-unknown")]


@pytest.mark.parametrize("number", ["-1", "9007199254740992", "true", "1.5", '"1"'])
def test_a_number_that_no_row_has_is_refused(number: str) -> None:
    with pytest.raises(InvalidField):
        Page(cursor=_written(f"[{number}]")).after(int)


def test_the_query_goes_on_where_the_page_before_ended() -> None:
    page = Page(size=1)
    cursor = page.listed(rows(3), lambda row: row).next_cursor

    query = Page(cursor=cursor, size=1).of(sa.select(_rows), _rows.c.at, _rows.c.id)

    written = str(query.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # as SQLAlchemy has it
    assert "(rows.at, rows.id) < (" in written
    assert "ORDER BY rows.at DESC, rows.id DESC" in written
