from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import argon2
import pytest
import sqlalchemy as sa

from services.chassis.clock import FixedClock
from services.chassis.errors import RuumError
from services.identity.codes.domain import CodeSent, CodeVoid, CodeWrong
from services.identity.members.models import Member
from services.identity.sign_in.domain import CredentialsWrong
from tests.identity.world import World, other_than

KNOWN, UNKNOWN = "hana@example.jp", "nobody@example.jp"
KNOWN_NUMBER, UNKNOWN_NUMBER = "090-1234-5678", "090-8765-4321"
PAIRS = [(KNOWN, UNKNOWN), (KNOWN_NUMBER, UNKNOWN_NUMBER)]


@dataclass
class Work:
    """What the service did for one call: its statements in their order, and how often it hashed or compared."""

    statements: list[str] = field(default_factory=list)
    hashed: int = 0
    compared: int = 0


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Work]]:
    """Gives what was done since it was called the last time; everything really runs."""
    seen = [Work()]

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen[0].statements.append(statement)

    def counting(name: str, count: str) -> None:
        really = getattr(argon2.PasswordHasher, name)

        def run(self: argon2.PasswordHasher, *given: Any) -> Any:
            setattr(seen[0], count, getattr(seen[0], count) + 1)
            return really(self, *given)

        monkeypatch.setattr(argon2.PasswordHasher, name, run)

    def take() -> Work:
        taken, seen[0] = seen[0], Work()
        return taken

    counting("hash", "hashed")
    counting("verify", "compared")
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield take
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


async def outcome(call: Awaitable[Any]) -> object:
    """The answer or the refusal, without what is random for everybody."""
    try:
        answer = await call
    except RuumError as refused:
        return type(refused), refused.kind, refused.code, refused.field, refused.params, refused.retry_after
    assert isinstance(answer, CodeSent)
    return answer.model_dump(exclude={"flow_id"})


@pytest.fixture
async def people(world: World, clock: FixedClock) -> World:
    """Someone with an email address and someone with a number have accounts; long ago, so that no cap remembers."""
    await world.member(KNOWN)
    await world.member(KNOWN_NUMBER)
    clock.advance(timedelta(days=1))
    return world


@pytest.mark.rule("ID-06")
@pytest.mark.parametrize(("known", "unknown"), PAIRS)
async def test_asking_for_a_code_is_the_same_with_and_without_an_account(
    people: World, done: Callable[[], Work], known: str, unknown: str
) -> None:
    done()
    with_account, work = await outcome(people.ask_for_code(known)), done()
    without_account, same_work = await outcome(people.ask_for_code(unknown)), done()

    assert with_account == without_account
    assert work == same_work
    assert len(work.statements) > 5


@pytest.mark.rule("ID-06")
async def test_asking_for_the_next_code_is_the_same(people: World, done: Callable[[], Work], clock: FixedClock) -> None:
    flows = [await people.ask_for_code(KNOWN), await people.ask_for_code(UNKNOWN)]
    clock.advance(timedelta(minutes=1))
    done()

    outcomes = [(await outcome(people.ask_again(flow)), done()) for flow in flows]

    assert outcomes[0] == outcomes[1]


@pytest.mark.rule("ID-06")
async def test_entering_codes_is_the_same_to_the_last_try(people: World, done: Callable[[], Work]) -> None:
    flows = [await people.ask_for_code(address) for address in (KNOWN, UNKNOWN)]
    code = other_than((await people.letter()).code)
    done()

    outcomes = [[(await outcome(people.sign_up(flow, code)), done()) for _ in range(7)] for flow in flows]

    assert outcomes[0] == outcomes[1]
    assert [work.hashed for _, work in outcomes[0]] == [1] * 7


@pytest.mark.rule("ID-06")
@pytest.mark.parametrize(("known", "unknown"), PAIRS)
@pytest.mark.parametrize("device", ["", "a device token that nobody was given"])
async def test_a_wrong_password_is_the_same_to_the_last_try(
    people: World, done: Callable[[], Work], known: str, unknown: str, device: str
) -> None:
    done()

    outcomes = [
        [(await outcome(people.sign_in(address, "wrong password", device)), done()) for _ in range(12)]
        for address in (known, unknown)
    ]

    assert outcomes[0] == outcomes[1]
    assert [work.compared for _, work in outcomes[0]] == [1] * 10 + [0] * 2


@pytest.mark.rule("ID-06")
async def test_the_owner_of_an_account_is_told_by_letter_and_gets_no_code(people: World) -> None:
    sent = await people.ask_for_code(KNOWN)

    letter = await people.letter()

    assert (letter.message, letter.code, letter.address, letter.sequence) == (
        "sign-up-existing",
        "",
        KNOWN,
        sent.sequence,
    )


@pytest.mark.rule("ID-06")
async def test_no_six_digits_fit_where_there_is_an_account(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda _: 123456)
    sent = await people.ask_for_code(KNOWN)

    with pytest.raises(CodeWrong):
        await people.sign_up(sent, "123456")


@pytest.mark.rule("ID-06")
async def test_an_account_that_came_up_meanwhile_is_told_by_letter_only(people: World, clock: FixedClock) -> None:
    first = await people.ask_for_code(UNKNOWN)
    code = (await people.letter()).code
    await take_address(people, UNKNOWN)

    with pytest.raises(CodeVoid):
        await people.sign_up(first, code)

    assert len(await people.rows(Member)) == 2
    clock.advance(timedelta(minutes=1))
    await people.ask_again(first)
    assert (await people.letter()).message == "sign-up-existing"


async def test_which_of_both_is_wrong_nobody_is_told(people: World) -> None:
    for address in (KNOWN, UNKNOWN):
        with pytest.raises(CredentialsWrong) as refused:
            await people.sign_in(address, "wrong password")
        assert refused.value.params == {}


async def take_address(world: World, address: str) -> None:
    """Gives an address to another member, as if both had proved it at once."""
    table = Member.metadata.tables["identity.addresses"]
    taken = sa.update(table).where(table.c.address == KNOWN).values(address=address)
    await world.database.transact(lambda tx: tx.execute(taken))
