from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.chassis.clock import FixedClock
from services.chassis.errors import Kind
from services.chassis.pages import Page
from services.identity.addresses.models import NumberWithoutSms
from services.identity.consents.domain import Agreement, ConsentMissing, GiveConsents
from services.identity.consents.models import Consent
from services.identity.members.models import Member, ProvedAddress
from services.identity.passwords.domain import PasswordKnown, PasswordTooShort
from tests.identity.world import CONSENTS, PASSWORD, World, request_id

HANA = "hana@example.jp"
NUMBER = "090-1234-5678"


@pytest.mark.rule("ID-01")
@pytest.mark.parametrize(("written", "email", "phone"), [(HANA, HANA, ""), (NUMBER, "", "+819012345678")])
async def test_an_address_proved_by_a_code_becomes_an_account(
    world: World, written: str, email: str, phone: str
) -> None:
    sent = await world.ask_for_code(written)
    letter = await world.letter()

    signed_in = await world.sign_up(sent, letter.code, language="zh_Hans")

    profile = await world.domain.profiles.own(await world.caller(signed_in))
    assert (profile.email, profile.phone, profile.language) == (email, phone, "zh_Hans")
    assert [event.header.member_id for event in await world.told("member_signed_up")] == [signed_in.member_id]


@pytest.mark.rule("ID-01")
async def test_without_the_code_there_is_no_account(world: World) -> None:
    await world.ask_for_code(HANA)

    assert (await world.rows(Member), await world.rows(ProvedAddress), await world.told("member_signed_up")) == (
        [],
        [],
        [],
    )


async def test_a_refused_address_opens_nothing(world: World) -> None:
    with pytest.raises(NumberWithoutSms):
        await world.ask_for_code("050-1234-5678")

    assert await world.envelopes() == []


@pytest.mark.parametrize(
    ("password", "refusal"), [("short", PasswordTooShort), ("password1", PasswordKnown), (HANA, PasswordKnown)]
)
async def test_a_bad_password_costs_no_try_and_the_code_stays(
    world: World, password: str, refusal: type[Exception]
) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code

    with pytest.raises(refusal):
        await world.sign_up(sent, code, password=password)

    assert (await world.sign_up(sent, code)).member_id


async def test_no_password_is_kept_as_it_is(world: World) -> None:
    await world.member(HANA)

    (row,) = await world.rows(Member)

    assert row["password_hash"].startswith("$argon2id$")
    assert PASSWORD not in str(dict(row))


@pytest.mark.rule("ID-23")
async def test_consents_are_kept_with_version_and_instant(world: World, clock: FixedClock) -> None:
    hana = await world.member(HANA)

    rows = await world.rows(Consent)

    assert {(row["document"], row["version"]) for row in rows} == {(each.document, each.version) for each in CONSENTS}
    assert {(row["member_id"], row["given_at"]) for row in rows} == {(hana.member_id, clock.now())}


@pytest.mark.rule("ID-23")
@pytest.mark.parametrize("missing", [0, 1, 2])
async def test_whoever_signs_up_agrees_to_all_of_it(world: World, missing: int) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code
    consents = tuple(each for place, each in enumerate(CONSENTS) if place != missing)

    for given in (consents, (*consents, consents[0])):
        with pytest.raises(ConsentMissing) as refused:
            await world.sign_up(sent, code, consents=given)
        assert (refused.value.kind, refused.value.field) == (Kind.INVALID, "consents")

    assert (await world.sign_up(sent, code)).member_id


@pytest.mark.rule("ID-23")
async def test_a_newer_version_is_agreed_to_once_and_listed_first(world: World, clock: FixedClock) -> None:
    caller = await world.caller(await world.member(HANA))
    newer = (Agreement(document="terms", version="2027-01"),)
    clock.advance(timedelta(seconds=30))
    agreed_at = clock.now()

    for _ in range(2):
        await world.domain.consents.give(caller, GiveConsents(request_id=request_id(), consents=newer))
        clock.advance(timedelta(seconds=30))

    newest, *older = (await world.domain.consents.of(caller, Page())).items
    assert (newest.document, newest.version, newest.given_at) == ("terms", "2027-01", agreed_at)
    assert len(older) == 3


async def test_consents_come_in_pages(world: World) -> None:
    caller = await world.caller(await world.member(HANA))
    stranger = await world.caller(await world.member(NUMBER))

    first = await world.domain.consents.of(caller, Page(size=2))
    second = await world.domain.consents.of(caller, Page(cursor=first.next_cursor, size=2))

    assert (len(first.items), len(second.items), second.next_cursor) == (2, 1, "")
    seen: list[Any] = [*first.items, *second.items]
    assert [each.id for each in seen] == sorted((each.id for each in seen), reverse=True)
    theirs = await world.domain.consents.of(stranger, Page())
    assert {each.id for each in seen} & {each.id for each in theirs.items} == set()
