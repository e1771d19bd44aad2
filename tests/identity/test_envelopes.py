from __future__ import annotations

from datetime import timedelta

import pytest

from services.chassis.clock import FixedClock
from services.chassis.errors import NotFound
from services.chassis.sealing import SealBrokenError
from services.identity.envelopes.domain import CloseEnvelope, EnvelopeGone
from services.identity.envelopes.models import Envelope
from services.identity.models import outbox
from services.identity.sweep.domain import Sweep
from tests.identity.world import NOTIFIER, World, request_id

HANA = "hana@example.jp"
SECOND = timedelta(seconds=1)


async def close(world: World, envelope_id: str, asked: str = "") -> None:
    await world.domain.envelopes.close(
        NOTIFIER, CloseEnvelope(request_id=asked or request_id(), envelope_id=envelope_id)
    )


async def test_a_letter_says_where_to_in_which_language_and_what(world: World) -> None:
    sent = await world.ask_for_code("090-1234-5678", language="zh_Hans")

    letter = await world.letter()

    assert (letter.channel, letter.address, letter.language) == ("sms", "+819012345678", "zh_Hans")
    assert (letter.message, letter.sequence, letter.expires_at) == ("sign-up", 1, sent.expires_at)
    assert len(letter.code) == 6
    assert letter.code.isascii()
    assert letter.code.isdigit()


@pytest.mark.rule("ID-05")
async def test_an_envelope_is_opened_until_it_is_closed_and_then_destroyed(world: World) -> None:
    await world.ask_for_code(HANA)
    (envelope_id,) = await world.envelopes()
    assert await world.letter() == await world.letter()

    await close(world, envelope_id)

    with pytest.raises(EnvelopeGone):
        await world.letter()
    (row,) = await world.rows(Envelope)
    assert (row["wrapped_key"], row["ciphertext"]) == (None, None)


async def test_closing_twice_is_refused_by_name_and_repeating_it_is_not(world: World) -> None:
    await world.ask_for_code(HANA)
    (envelope_id,) = await world.envelopes()

    await close(world, envelope_id, "the same request")
    await close(world, envelope_id, "the same request")

    with pytest.raises(EnvelopeGone):
        await close(world, envelope_id, "another request")


async def test_a_newer_code_leaves_the_older_letter_unsent(world: World, clock: FixedClock) -> None:
    sent = await world.ask_for_code(HANA)
    clock.advance(timedelta(minutes=1))
    await world.ask_again(sent)
    older, newer = await world.envelopes()

    with pytest.raises(EnvelopeGone):
        await world.domain.envelopes.open(older)
    assert (await world.domain.envelopes.open(newer)).sequence == 2


async def test_a_used_code_leaves_nothing_to_send(world: World) -> None:
    sent = await world.ask_for_code(HANA)
    await world.sign_up(sent, (await world.letter()).code)

    with pytest.raises(EnvelopeGone):
        await world.letter()


@pytest.mark.parametrize(("after", "gone"), [(-SECOND, False), (SECOND * 0, True), (SECOND, True)])
async def test_what_is_no_longer_true_is_not_sent(
    world: World, clock: FixedClock, after: timedelta, gone: bool
) -> None:
    sent = await world.ask_for_code(HANA)
    clock.advance(sent.expires_at - clock.now() + after)

    if gone:
        with pytest.raises(EnvelopeGone):
            await world.letter()
    else:
        assert (await world.letter()).code


async def test_the_sweep_destroys_what_nobody_sent_in_time_and_later_forgets_it(
    world: World, clock: FixedClock
) -> None:
    sent = await world.ask_for_code(HANA)
    sweep = Sweep(world.database, clock)
    await sweep.once()
    assert (await world.letter()).code

    clock.advance(timedelta(minutes=10))
    await sweep.once()
    (row,) = await world.rows(Envelope)
    assert row["ciphertext"] is None

    clock.advance(timedelta(days=2))
    await sweep.once()
    assert await world.rows(Envelope) == []
    with pytest.raises(NotFound):
        await world.ask_again(sent)
    assert (await world.ask_for_code(HANA)).sequence == 1


async def test_a_letter_cannot_be_read_in_another_envelope(world: World) -> None:
    await world.ask_for_code(HANA)
    await world.ask_for_code("umi@example.jp")
    hana, umi = await world.envelopes()
    moved = {row["id"]: row for row in await world.rows(Envelope)}[hana]
    sealed = {column: moved[column] for column in ("key_id", "wrapped_key", "nonce", "ciphertext")}
    table = Envelope.table()
    await world.database.transact(lambda tx: tx.execute(table.update().where(table.c.id == umi).values(sealed)))

    with pytest.raises(SealBrokenError):
        await world.domain.envelopes.open(umi)


async def test_an_invented_envelope_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.domain.envelopes.open("env_01jzzzzzzzzzzzzzzzzzzzzzzz")
    with pytest.raises(NotFound):
        await close(world, "env_01jzzzzzzzzzzzzzzzzzzzzzzz")


@pytest.mark.rule("OP-03")
async def test_what_is_told_to_others_names_no_address_and_no_code(world: World) -> None:
    hana = await world.member(HANA)
    letter_code = (await world.told("code_requested"))[0]
    assert letter_code.envelope_id

    async with world.database.reading() as session:
        rows = (await session.execute(outbox.select())).mappings().all()

    written = b"".join(row["payload"] for row in rows) + repr([dict(row) for row in rows]).encode()
    for secret in (HANA, "hana", hana.session_token, hana.device_token):
        assert secret.encode() not in written
