from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.chassis.clock import FixedClock
from services.chassis.db import Database
from services.chassis.errors import Kind, NotFound
from services.identity.codes.domain import CodeMalformed, Codes, CodeSent, CodeVoid, CodeWrong, FlowOver
from services.identity.codes.models import Code, Flow
from services.identity.models import Table
from services.identity.settings import Cap
from services.identity.throttles.domain import TooManyCodes, TooManyTries
from tests.identity.world import KEY, Founded, World, other_than

HANA = "hana@example.jp"
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.mark.rule("ID-02")
async def test_only_the_newest_code_counts(world: World, clock: FixedClock) -> None:
    sent = await world.ask_for_code(HANA)
    first = (await world.letter()).code
    clock.advance(MINUTE)
    await world.ask_again(sent)
    second = (await world.letter()).code

    with pytest.raises(CodeWrong):
        await world.sign_up(sent, first if first != second else other_than(second))

    assert (await world.sign_up(sent, second)).member_id


@pytest.mark.rule("ID-02")
async def test_a_code_of_an_older_form_is_void_when_another_form_has_sent_one(world: World, clock: FixedClock) -> None:
    older = await world.ask_for_code(HANA)
    first = (await world.letter()).code
    clock.advance(MINUTE)
    newer = await world.ask_for_code(HANA)
    second = (await world.letter()).code

    for code in (first, second):
        with pytest.raises(CodeVoid):
            await world.sign_up(older, code)

    assert (await world.sign_up(newer, second)).member_id


@pytest.mark.rule("ID-02")
async def test_form_and_message_carry_the_same_number(world: World, clock: FixedClock) -> None:
    sent = await world.ask_for_code(HANA)
    numbers = [(sent.sequence, (await world.letter()).sequence)]

    for _ in range(2):
        clock.advance(MINUTE)
        again = await world.ask_again(sent)
        numbers.append((again.sequence, (await world.letter()).sequence))

    assert numbers == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.rule("ID-02")
@pytest.mark.parametrize(("after", "counts"), [(-SECOND, True), (SECOND * 0, False), (SECOND, False)])
async def test_a_code_lives_ten_minutes(world: World, clock: FixedClock, after: timedelta, counts: bool) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code
    assert sent.expires_at == clock.now() + timedelta(minutes=10)

    clock.advance(timedelta(minutes=10) + after)

    if counts:
        assert (await world.sign_up(sent, code)).member_id
    else:
        with pytest.raises(CodeVoid) as refused:
            await world.sign_up(sent, code)
        assert (refused.value.kind, refused.value.field) == (Kind.REFUSED, "code")


@pytest.mark.rule("ID-02")
@pytest.mark.parametrize(("after", "sent"), [(-SECOND, False), (SECOND * 0, True), (SECOND, True)])
@pytest.mark.parametrize("new_form", [False, True])
async def test_between_two_sends_lies_a_minute(
    world: World, clock: FixedClock, after: timedelta, sent: bool, new_form: bool
) -> None:
    first = await world.ask_for_code(HANA)
    assert first.resend_after == clock.now() + MINUTE
    clock.advance(MINUTE + after)

    async def ask() -> CodeSent:
        return await (world.ask_for_code(HANA) if new_form else world.ask_again(first))

    if sent:
        assert (await ask()).flow_id
    else:
        with pytest.raises(TooManyCodes) as refused:
            await ask()
        assert refused.value.retry_after == -after
        assert len(await world.envelopes()) == 1


@pytest.mark.rule("ID-02")
async def test_after_five_wrong_tries_the_code_is_void(founded: Founded) -> None:
    world = founded(wrong_codes_per_address=Cap(times=1000, seconds=60))
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code
    left = []

    for _ in range(4):
        with pytest.raises(CodeWrong) as refused:
            await world.sign_up(sent, other_than(code))
        left.append(refused.value.params["left"])
    with pytest.raises(CodeVoid):
        await world.sign_up(sent, other_than(code))

    assert left == [4, 3, 2, 1]
    with pytest.raises(CodeVoid):
        await world.sign_up(sent, code)


@pytest.mark.rule("ID-05")
async def test_wrong_tries_count_over_all_flows_processes_and_spellings(founded: Founded, clock: FixedClock) -> None:
    guesses = refused = 0
    spellings = ["090-1234-5678", "+81 90 1234 5678", "０９０１２３４５６７８", "819012345678"]

    for turn in range(4):
        world = founded()  # another process on the same database
        sent = await world.ask_for_code(spellings[turn], client=f"client {turn}")
        code = (await world.letter()).code
        for _ in range(3):
            try:
                await world.sign_up(sent, other_than(code), client=f"client {turn}")
            except (CodeWrong, CodeVoid):
                guesses += 1
            except TooManyTries:
                refused += 1
        clock.advance(MINUTE)

    assert (guesses, refused) == (5, 7)


@pytest.mark.rule("ID-05")
async def test_wrong_tries_of_one_client_count_over_all_addresses(founded: Founded) -> None:
    world = founded(wrong_codes_per_client=Cap(times=3, seconds=3600))
    for number in range(3):
        sent = await world.ask_for_code(f"hana{number}@example.jp")
        with pytest.raises(CodeWrong):
            await world.sign_up(sent, other_than((await world.letter()).code))

    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code

    with pytest.raises(TooManyTries) as refused:
        await world.sign_up(sent, code)
    assert refused.value.retry_after == timedelta(minutes=20)
    assert (await world.sign_up(sent, code, client="elsewhere")).member_id


@pytest.mark.rule("ID-05")
async def test_wrong_tries_at_an_account_count_over_its_addresses(
    founded: Founded, database: Database, clock: FixedClock
) -> None:
    world = founded(wrong_codes_per_address=Cap(times=100, seconds=60))
    hana = await world.member(HANA)
    await second_address(database, hana.member_id, "+819012345678")
    clock.advance(MINUTE)
    by_mail = await new_device(world, HANA)
    mailed = (await world.letter()).code
    by_sms = await new_device(world, "090-1234-5678")
    texted = (await world.letter()).code

    for _ in range(3):
        with pytest.raises(CodeWrong):
            await world.confirm(by_mail, other_than(mailed), client="a")
    for _ in range(2):
        with pytest.raises(CodeWrong):
            await world.confirm(by_sms, other_than(texted), client="b")

    for sent, code in ((by_mail, mailed), (by_sms, texted)):
        with pytest.raises(TooManyTries):
            await world.confirm(sent, code, client="c")


async def test_a_right_code_is_no_guess(founded: Founded, clock: FixedClock) -> None:
    world = founded(code_gap=Cap(times=1, seconds=1), sends_per_address=Cap(times=100, seconds=100))
    hana = await world.member(HANA)

    for _ in range(8):
        clock.advance(SECOND)
        sent = await new_device(world, HANA)
        assert (await world.confirm(sent, (await world.letter()).code)).member_id == hana.member_id


@pytest.mark.rule("ID-05")
async def test_a_code_is_kept_only_as_a_keyed_digest(world: World, database: Database) -> None:
    await world.ask_for_code(HANA)
    code = (await world.letter()).code
    kept = ""

    async with database.reading() as session:
        for table in Table.metadata.sorted_tables:
            kept += repr((await session.execute(sa.select(table))).all())

    assert code not in kept
    (row,) = await world.rows(Code)
    assert len(row["digest"]) == 64


@pytest.mark.rule("ID-05")
async def test_a_code_is_bound_to_its_flow_and_purpose(world: World, clock: FixedClock) -> None:
    await world.member(HANA)
    clock.advance(timedelta(hours=1))
    signing_in = await new_device(world, HANA)
    code = (await world.letter()).code
    clock.advance(MINUTE)
    signing_up = await world.ask_for_code("umi@example.jp")
    other_code = (await world.letter()).code

    with pytest.raises(NotFound):
        await world.sign_up(signing_in, code)
    with pytest.raises(NotFound):
        await world.confirm(signing_up, other_code)
    if code != other_code:
        with pytest.raises(CodeWrong):
            await world.sign_up(signing_up, code)

    assert (await world.confirm(signing_in, code)).member_id


@pytest.mark.rule("ID-05")
@pytest.mark.parametrize(
    "other", [{"address": "umi@example.jp"}, {"purpose": "new-device"}, {"id": "flow_01jzzzzzzzzzzzzzzzzzzzzzzz"}, {}]
)
async def test_one_code_has_other_digests_for_other_addresses_purposes_and_flows(
    world: World, clock: FixedClock, other: dict[str, str]
) -> None:
    codes = Codes(world.rules, KEY, world.domain.envelopes)
    flow = {"id": "flow_01jyyyyyyyyyyyyyyyyyyyyyyy", "purpose": "sign-up", "address": HANA}
    common = {"channel": "email", "language": "ja", "expires_at": clock.now()}

    digests = {codes._digest(Flow.make(**common, **each), "123456") for each in (flow, flow | other)}

    assert len(digests) == (2 if other else 1)


async def test_a_code_is_read_however_it_is_typed(world: World) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code
    wide = code.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"})

    assert (await world.sign_up(sent, f" {wide[:3]}-{wide[3:]}\n")).member_id


@pytest.mark.parametrize("entered", ["", "12345", "1234567", "12345a", "１２３４５", "१२३४५६", "123 45"])
async def test_what_is_no_code_is_refused_without_a_try(world: World, entered: str) -> None:
    sent = await world.ask_for_code(HANA)

    with pytest.raises(CodeMalformed) as refused:
        await world.sign_up(sent, entered)

    assert (refused.value.kind, refused.value.field) == (Kind.INVALID, "code")
    (row,) = await world.rows(Code)
    assert row["tries"] == 0


async def test_a_used_code_ends_its_flow(world: World, clock: FixedClock) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code
    await world.sign_up(sent, code)
    clock.advance(MINUTE)

    with pytest.raises(FlowOver):
        await world.sign_up(sent, code)
    with pytest.raises(FlowOver):
        await world.ask_again(sent)


@pytest.mark.parametrize(("after", "is_open"), [(-SECOND, True), (SECOND * 0, False), (SECOND, False)])
async def test_a_flow_that_takes_an_hour_has_to_be_begun_again(
    world: World, clock: FixedClock, after: timedelta, is_open: bool
) -> None:
    sent = await world.ask_for_code(HANA)
    clock.advance(timedelta(hours=1) + after)

    if is_open:
        assert (await world.ask_again(sent)).sequence == 2
    else:
        with pytest.raises(FlowOver):
            await world.ask_again(sent)
        with pytest.raises(FlowOver):
            await world.sign_up(sent, "123456")


async def test_an_invented_flow_is_not_found(world: World) -> None:
    sent = await world.ask_for_code(HANA)
    invented = sent.model_copy(update={"flow_id": "flow_01jzzzzzzzzzzzzzzzzzzzzzzz"})

    with pytest.raises(NotFound):
        await world.ask_again(invented)
    with pytest.raises(NotFound):
        await world.sign_up(invented, "123456")


SEND_CAPS: list[tuple[str, list[str], list[str], str]] = [
    ("sends_per_address", [HANA, "Hana@Example.JP"], ["a", "b", "c"], "umi@example.jp"),
    ("sends_per_prefix", ["090-1234-0001", "090-1234-0002"], ["a", "b", "c"], "090-1235-0001"),
    ("sends_per_client", [HANA, "umi@example.jp"], ["a", "a", "a"], ""),
    ("sends_in_all", [HANA, "umi@example.jp"], ["a", "b", "c"], "090-1234-5678"),
]


@pytest.mark.rule("ID-05")
@pytest.mark.parametrize(("cap", "addresses", "clients", "free"), SEND_CAPS, ids=[cap for cap, *_ in SEND_CAPS])
async def test_sends_are_capped_and_told_when_to_ask_again(
    founded: Founded, clock: FixedClock, cap: str, addresses: list[str], clients: list[str], free: str
) -> None:
    more: dict[str, Any] = {cap: Cap(times=2, seconds=7200)}
    world = founded(**more)
    for address, client in zip(addresses, clients, strict=False):
        await world.ask_for_code(address, client=client)
        clock.advance(MINUTE)
    third = {"sends_per_address": HANA, "sends_per_prefix": "090-1234-0003"}.get(cap, "kai@example.jp")

    with pytest.raises(TooManyCodes) as refused:
        await world.ask_for_code(third, client=clients[2])

    assert refused.value.kind is Kind.TOO_MANY
    assert refused.value.retry_after == timedelta(minutes=58)
    assert len(await world.envelopes()) == 2
    assert (await world.ask_for_code(free or third, client="d")).flow_id
    clock.advance(timedelta(minutes=58))
    assert (await world.ask_for_code(third, client=clients[2])).flow_id


@pytest.mark.rule("ID-04")
async def test_where_a_code_is_awaited_the_reasons_for_its_absence_are_named(world: World) -> None:
    by_mail = await world.ask_for_code(HANA)
    by_sms = await world.ask_for_code("090-1234-5678")

    assert set(by_mail.hints) == {"code-missing-typing", "code-missing-spam", "code-missing-blocked"}
    assert set(by_sms.hints) == {"code-missing-typing", "code-missing-050"}


async def new_device(world: World, address: str) -> CodeSent:
    sent = await world.sign_in(address)
    assert isinstance(sent, CodeSent)
    return sent


async def second_address(database: Database, member_id: str, number: str) -> None:
    """As the change of a number will prove it one day."""
    addresses = Table.metadata.tables["identity.addresses"]
    row = {"address": number, "channel": "sms", "member_id": member_id, "proved_at": sa.func.now()}
    await database.transact(lambda tx: tx.execute(sa.insert(addresses).values(row)))
