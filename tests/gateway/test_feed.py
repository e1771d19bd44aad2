"""What a gateway remembers of a member's events, and whom it tells (PO-03)."""

from __future__ import annotations

import pytest

from services.gateway.live import feed as feeds
from services.gateway.live.feed import Feed, Happening, Mark, Watcher

HANA, TARO = "mem_hana", "mem_taro"


def happening(place: int, member: str = HANA) -> Happening:
    return Happening(place, "points.points_granted", member, "mem_x", place)


@pytest.fixture
def feed() -> Feed:
    feed = Feed()
    feed.begin("s", 1, 0)
    return feed


def told(feed: Feed, places: range, member: str = HANA) -> None:
    for place in places:
        feed.tell(place, happening(place, member))


async def places(watcher: Watcher) -> list[int | None]:
    return [each.place if each else None for each in await watcher.next(0.01)]


@pytest.mark.rule("PO-03")
async def test_each_is_told_their_own(feed: Feed) -> None:
    hana, taro = feed.watch(HANA, "ses_h", None), feed.watch(TARO, "ses_t", None)

    told(feed, range(1, 3), HANA)
    told(feed, range(3, 4), TARO)
    feed.tell(4, None)

    assert (await places(hana), await places(taro)) == ([1, 2], [3])


@pytest.mark.rule("PO-03")
async def test_who_comes_back_is_told_what_was_missed(feed: Feed) -> None:
    told(feed, range(1, 6))

    watcher = feed.watch(HANA, "ses_h", Mark("s", 3))
    told(feed, range(6, 7))

    assert await places(watcher) == [4, 5, 6]


async def test_who_comes_for_the_first_time_is_told_what_comes(feed: Feed) -> None:
    told(feed, range(1, 6))

    watcher = feed.watch(HANA, "ses_h", None)
    told(feed, range(6, 7))

    assert await places(watcher) == [6]


@pytest.mark.parametrize("mark", [Mark("s", 2), Mark("another stream", 9)])
async def test_who_was_away_too_long_is_told_to_look_anew(
    feed: Feed, mark: Mark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MOST_KEPT", 3)
    told(feed, range(1, 8))  # the past begins with 5

    watcher = feed.watch(HANA, "ses_h", mark)
    told(feed, range(8, 9))

    assert await places(watcher) == [None, 8]


async def test_just_not_too_long_is_not_too_long(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_KEPT", 3)
    told(feed, range(1, 8))

    assert await places(feed.watch(HANA, "ses_h", Mark("s", 4))) == [5, 6, 7]


async def test_who_was_told_more_by_another_gateway_is_not_told_it_again(feed: Feed) -> None:
    told(feed, range(1, 4))

    watcher = feed.watch(HANA, "ses_h", Mark("s", 5))
    told(feed, range(4, 8))

    assert await places(watcher) == [6, 7]


async def test_a_stream_that_was_made_anew_tells_everybody_to_look_anew(feed: Feed) -> None:
    told(feed, range(1, 6))
    watcher = feed.watch(HANA, "ses_h", Mark("s", 5))

    feed.begin("another", 1, 2)
    told(feed, range(1, 4))

    assert await places(watcher) == [None, 3]
    assert feed.mark == Mark("another", 3)


async def test_the_present_is_where_the_stream_is_while_its_past_is_still_read(feed: Feed) -> None:
    feed.begin("s", 1, 100)
    watcher = feed.watch(HANA, "ses_h", None)

    told(feed, range(1, 102))

    assert await places(watcher) == [101]


async def test_a_reader_who_does_not_read_is_let_go(feed: Feed) -> None:
    watcher = feed.watch(HANA, "ses_h", None)

    told(feed, range(1, feeds.MOST_WAITING + 2))

    assert watcher.ended
    assert await places(watcher) == []


def test_a_session_that_ends_ends_its_streams_and_no_others(feed: Feed) -> None:
    mine, other = feed.watch(HANA, "ses_1", None), feed.watch(HANA, "ses_2", None)

    feed.end("ses_1")

    assert (mine.ended, other.ended) == (True, False)


def test_who_has_left_leaves_nothing_behind(feed: Feed) -> None:
    feed.leave(feed.watch(HANA, "ses_1", None))

    assert len(feed) == 0
    assert not feed._watchers


@pytest.mark.parametrize("written", ["", "7", "-7", "s-", "s-x", "s-" + "9" * 30, "é-7", "s-７", "a b-7"])
def test_a_mark_that_is_none_of_ours_is_none(written: str) -> None:
    assert Mark.parse(written) is None


def test_a_mark_is_read_as_it_was_written() -> None:
    assert Mark.parse(str(Mark("1767225600000", 4711))) == Mark("1767225600000", 4711)
