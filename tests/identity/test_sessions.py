from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.errors import CallerUnknown, NotFound
from services.chassis.pages import Page
from services.identity.journal.models import Entry
from services.identity.models import requests
from services.identity.sessions.domain import EndSession, SessionEndedAlready, SessionOver, SignedIn, SignOut
from services.identity.sessions.models import Session
from tests.identity.world import World, request_id

HANA = "hana@example.jp"
SECOND = timedelta(seconds=1)
AROUND = [(-SECOND, True), (SECOND * 0, False), (SECOND, False)]


async def again(world: World, signed_in: SignedIn) -> SignedIn:
    """The same person signs in once more."""
    new = await world.sign_in(HANA, device=signed_in.device_token)
    assert isinstance(new, SignedIn)
    return new


async def is_alive(world: World, signed_in: SignedIn) -> bool:
    try:
        await world.domain.sessions.issue_token(signed_in.session_token, "points")
    except SessionOver:
        return False
    return True


@pytest.mark.rule("ID-14")
async def test_a_token_is_random_and_kept_as_a_digest(world: World) -> None:
    hana = await world.member(HANA)
    newer = await again(world, hana)

    kept = str([dict(row) for row in await world.rows(Session)])

    assert len({hana.session_token, newer.session_token}) == 2
    assert min(len(hana.session_token), len(hana.device_token)) >= 43
    for secret in (hana.session_token, newer.session_token):
        assert secret not in kept


@pytest.mark.rule("ID-14")
@pytest.mark.parametrize(("after", "lives"), AROUND)
async def test_a_session_that_is_not_used_ends_after_thirty_days(
    world: World, clock: FixedClock, after: timedelta, lives: bool
) -> None:
    hana = await world.member(HANA)
    assert hana.idle_until == clock.now() + timedelta(days=30)

    clock.advance(timedelta(days=30) + after)

    assert await is_alive(world, hana) is lives


@pytest.mark.rule("ID-14")
@pytest.mark.parametrize(("after", "lives"), AROUND)
async def test_a_session_that_is_used_ends_after_ninety_days(
    world: World, clock: FixedClock, after: timedelta, lives: bool
) -> None:
    hana = await world.member(HANA)
    assert hana.absolute_until == clock.now() + timedelta(days=90)
    for _ in range(3):
        clock.advance(timedelta(days=29))
        assert await is_alive(world, hana)

    clock.advance(timedelta(days=3) + after)

    assert await is_alive(world, hana) is lives


async def test_using_a_session_is_written_down_at_most_every_five_minutes(world: World, clock: FixedClock) -> None:
    hana = await world.member(HANA)
    written: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        written.extend([statement] if statement.startswith("UPDATE") else [])

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    for _ in range(60):
        clock.advance(timedelta(seconds=10))
        assert await is_alive(world, hana)
    sa.event.remove(sa.Engine, "before_cursor_execute", note)

    assert len(written) == 2
    (row,) = await world.rows(Session)
    assert (row["seen_at"], row["idle_until"]) == (clock.now(), clock.now() + timedelta(days=30))


@pytest.mark.rule("ID-14")
async def test_members_see_their_sessions_newest_first_and_nobody_elses(world: World, clock: FixedClock) -> None:
    hana = await world.member(HANA)
    stranger = await world.member("umi@example.jp")
    newer = await again(world, hana)
    newest = await again(world, hana)
    caller = await world.caller(hana)

    listed = await world.domain.sessions.living(caller, Page())

    expected = [(await world.caller(each)).session for each in (newest, newer, hana)]
    assert [session.session_id for session in listed.items] == expected
    assert (await world.caller(stranger)).session not in expected


async def test_ended_and_expired_sessions_are_not_listed(world: World, clock: FixedClock) -> None:
    hana = await world.member(HANA)
    clock.advance(timedelta(days=15))
    ended = await world.caller(await again(world, hana))
    await world.domain.sessions.sign_out(ended, SignOut(request_id=request_id()))
    latest = await world.caller(await again(world, hana))
    clock.advance(timedelta(days=15))

    listed = await world.domain.sessions.living(latest, Page())

    assert [session.session_id for session in listed.items] == [latest.session]


async def test_a_list_is_read_to_its_end_in_pages(world: World) -> None:
    hana = await world.member(HANA)
    for _ in range(4):
        await again(world, hana)
    caller = await world.caller(hana)
    seen, cursor = [], ""

    for size in (2, 2, 2):
        page = await world.domain.sessions.living(caller, Page(cursor=cursor, size=size))
        seen += [session.session_id for session in page.items]
        cursor = page.next_cursor

    assert (len(seen), len(set(seen)), cursor) == (5, 5, "")
    assert seen == sorted(seen, reverse=True)


@pytest.mark.rule("ID-14")
async def test_a_member_ends_a_session_elsewhere_and_it_is_over_at_once(world: World) -> None:
    hana = await world.member(HANA)
    elsewhere = await again(world, hana)
    there = (await world.caller(elsewhere)).session

    await world.domain.sessions.end(await world.caller(hana), EndSession(request_id=request_id(), session_id=there))

    assert not await is_alive(world, elsewhere)
    assert await is_alive(world, hana)


async def test_signing_out_ends_the_own_session_only(world: World) -> None:
    hana = await world.member(HANA)
    elsewhere = await again(world, hana)

    await world.domain.sessions.sign_out(await world.caller(hana), SignOut(request_id=request_id()))

    assert not await is_alive(world, hana)
    assert await is_alive(world, elsewhere)


@pytest.mark.rule("PR-13")
async def test_ending_twice_is_refused_by_name(world: World) -> None:
    caller = await world.caller(await world.member(HANA))
    end = EndSession(request_id=request_id(), session_id=caller.session)
    await world.domain.sessions.end(caller, end)

    await world.domain.sessions.end(caller, end)

    with pytest.raises(SessionEndedAlready):
        await world.domain.sessions.end(caller, end.model_copy(update={"request_id": request_id()}))
    with pytest.raises(SessionOver):
        await world.domain.sessions.sign_out(caller, SignOut(request_id=request_id()))


@pytest.mark.rule("PR-15")
async def test_somebody_elses_session_does_not_exist(world: World) -> None:
    hana = await world.member(HANA)
    stranger = await world.caller(await world.member("umi@example.jp"))
    session = (await world.caller(hana)).session

    with pytest.raises(NotFound):
        await world.domain.sessions.end(stranger, EndSession(request_id=request_id(), session_id=session))

    assert await is_alive(world, hana)


async def test_an_invented_token_is_told_what_an_old_one_is(world: World) -> None:
    with pytest.raises(SessionOver):
        await world.domain.sessions.issue_token("x" * 43, "points")


@pytest.mark.rule("ID-15")
async def test_a_token_names_member_session_and_audience_for_two_minutes(world: World, clock: FixedClock) -> None:
    hana = await world.member(HANA)
    ring = world.keys.ring(clock)

    token = await world.domain.sessions.issue_token(hana.session_token, "points")

    assert token.expires_at - clock.now() <= timedelta(minutes=2)
    assert ring.caller(token.token, "points") == Caller("member", hana.member_id, token.session_id)
    with pytest.raises(CallerUnknown):
        ring.caller(token.token, "store")
    clock.advance(timedelta(minutes=2, seconds=5))
    with pytest.raises(CallerUnknown):
        ring.caller(token.token, "points")


async def test_tokens_leave_nothing_readable_in_the_kept_answers(world: World) -> None:
    hana = await world.member(HANA)
    newer = await again(world, hana)

    async with world.database.reading() as session:
        kept = b"".join((await session.execute(sa.select(requests.c.answer))).scalars())

    for secret in (hana.session_token, newer.session_token, hana.device_token):
        assert secret.encode() not in kept


@pytest.mark.rule("ID-26")
async def test_the_member_reads_the_own_log_newest_first(world: World) -> None:
    hana = await world.member(HANA)
    caller = await world.caller(hana)
    stranger = await world.caller(await world.member("umi@example.jp"))
    await world.domain.sessions.sign_out(caller, SignOut(request_id=request_id()))

    first = await world.domain.journal.read(caller, Page(size=1))
    second = await world.domain.journal.read(caller, Page(cursor=first.next_cursor, size=1))

    assert [entry.happening for entry in (*first.items, *second.items)] == ["signed-out", "signed-up"]
    assert {entry.session_id for entry in (*first.items, *second.items)} == {caller.session}
    assert second.next_cursor == ""
    assert [entry.happening for entry in (await world.domain.journal.read(stranger, Page())).items] == ["signed-up"]
    assert len(await world.rows(Entry)) == 3
