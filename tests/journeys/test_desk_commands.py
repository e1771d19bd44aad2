"""The desk's commands on the whole system (SK-14, SK-50)."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
from uuid import uuid4

import pytest

from deploy.demo.resident import ProblemError
from tests.journeys.command import Said, environment, ruum
from tests.journeys.town import NAME, Household, Town

pytestmark = pytest.mark.timeout(240)

WRONG, RIGHT = "A0000B12", "WX98YZ76"


async def desk(town: Town, *words: str, typed: str = "", speaks: str = "en") -> Said:
    return await ruum(town.stack.table.home.folder, "desk", *words, typed=typed, speaks=speaks)


async def asked_for_a_number(town: Town) -> tuple[Household, str]:
    home = await town.household()
    order_id = await town.ordered(home, await town.card(), WRONG)
    await home.resident.sees(order_id, "number-asked")
    return home, order_id


@pytest.fixture(scope="module")
async def asked(town: Town) -> str:
    """An order that waits for a number, and goes on waiting."""
    return (await asked_for_a_number(town))[1]


@pytest.mark.rule("SK-14")
async def test_a_number_given_at_the_desk_lets_the_order_go_on_and_is_never_shown(town: Town) -> None:
    home, order_id = await asked_for_a_number(town)

    entered = await desk(town, "key-number", order_id, typed=f"{RIGHT}\n")
    reference, advice = entered.out.splitlines()
    await town.act(order_id, "accept_key_number", reference=reference)

    await home.resident.sees(order_id, "dispatched")
    made = await town.console.order(order_id)
    assert made is not None
    assert str(made["key_number"]).endswith(RIGHT[-2:])
    assert json.loads(advice.partition(" with ")[2])["reference"] == reference
    assert RIGHT not in entered.out + entered.err


async def test_on_a_terminal_the_number_is_typed_unseen(town: Town, asked: str) -> None:
    terminal, other_end = pty.openpty()
    folder = str(town.stack.table.home.folder)
    words = (sys.executable, "-m", "services.cli", "desk", "--folder", folder, "key-number", asked)

    process = await asyncio.create_subprocess_exec(
        *words, env=environment(), stdin=other_end, stdout=other_end, stderr=other_end, start_new_session=True
    )
    os.close(other_end)
    shown = await asyncio.to_thread(read_until, terminal, b"(not shown): ")  # from then on it is unseen
    os.write(terminal, f"{RIGHT}\n".encode())
    shown += await asyncio.to_thread(read_until, terminal, b"accept_key_number")

    assert await process.wait() == 0
    assert b"ref_" in shown
    assert RIGHT.encode() not in shown
    os.close(terminal)


def read_until(terminal: int, words: bytes) -> bytes:
    shown = b""
    while words not in shown:
        shown += os.read(terminal, 1000)
    return shown


@pytest.mark.rule("PR-10")
async def test_a_command_that_is_repeated_acts_once_and_another_under_its_id_is_refused(town: Town, asked: str) -> None:
    first = await desk(town, "key-number", asked, typed=RIGHT)
    again = await desk(town, "key-number", asked, "--request", first.request, typed=RIGHT)
    other = await desk(town, "key-number", asked, "--request", first.request, typed="AB12CD34")

    assert first.request.startswith("req_")
    assert (again.code, again.out) == (0, first.out)
    assert (other.code, other.out) == (1, "")
    assert "[request-id-reused]" in other.err


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize(("speaks", "words"), [("ja", "鍵番号"), ("en", "key number"), ("zh", "钥匙")])
async def test_a_number_that_is_none_is_refused_in_words_that_do_not_repeat_it(
    town: Town, asked: str, speaks: str, words: str
) -> None:
    refused = await desk(town, "key-number", asked, typed="WX98", speaks=speaks)

    assert (refused.code, refused.out) == (1, "")
    assert words in refused.err
    assert "WX98" not in refused.err


@pytest.mark.rule("OP-02")
@pytest.mark.parametrize("name", ["sato", "op_Sato", "op_", "op_sato ", ""])
async def test_nobody_acts_without_an_operators_name(town: Town, name: str) -> None:
    refused = await desk(town, "--operator", name, "ledger")

    assert (refused.code, refused.out) == (2, "")
    assert "say who you are" in refused.err


async def test_the_desk_sees_what_waits_for_it_and_no_names(town: Town) -> None:
    home = await town.household()
    await town.console.automation("maker.ready", on=False)
    try:
        order_id = await town.being_cut(home, await town.card())
        removed = await desk(town, "remove", home.room_id, home.resident.member_id)
        await town.console.ready(order_id)
        await home.resident.sees(order_id, "stopped")
    finally:
        await town.console.automation("maker.ready", on=True)

    waiting = await desk(town, "cases", "--needs-operator")
    one, money = await desk(town, "case", order_id), await desk(town, "order", order_id)
    access = await desk(town, "access", home.room_id)

    assert removed.out == f"removed {home.resident.member_id}\n"
    (line,) = [line for line in waiting.out.splitlines() if order_id in line]
    assert line.split()[1] == "stopped"
    assert "state            stopped" in one.out
    assert "means             card" in money.out
    (record,) = [line for line in access.out.splitlines() if home.resident.member_id in line]
    assert record.endswith("operator:op_sato")
    said = "".join(answer.out + answer.err for answer in (removed, waiting, one, money, access))
    assert not [word for word in (*NAME.split(), home.mail, "緑町") if word in said]


async def test_what_goes_on_is_told_to_its_process_and_not_put_away_at_the_desk(town: Town, asked: str) -> None:
    said = await desk(town, "resolve", asked, "--reason", "key-came-back")

    assert (said.code, said.out) == (1, "")
    assert "[key-operator-action-not-possible]" in said.err


async def test_cases_are_listed_page_by_page_newest_first(town: Town, asked: str) -> None:
    _, newest = await asked_for_a_number(town)

    one, many = await desk(town, "cases", "--most", "1"), await desk(town, "cases", "--most", "101")

    assert [line.split()[0] for line in one.out.splitlines()] == ["order", newest]
    assert asked in many.out


@pytest.mark.rule("RM-06")
async def test_an_operator_settles_who_is_the_contractor(town: Town) -> None:
    holder, claimant = await town.household(), await town.household()
    pair = await desk(town, "codes", holder.lease)
    code1, code2 = (line.partition(" ")[2] for line in pair.out.splitlines()[:2])
    with pytest.raises(ProblemError) as taken:
        await claimant.resident.register_room(code1, code2)

    settled = await desk(
        town, "settle", taken.value.problem["params"]["conflict_id"], "--to", "claimant", "--reason", "lease-seen"
    )

    assert settled.out == "settled: the claimant is the contractor\n"
    assert (await claimant.resident.get(f"rooms/{holder.room_id}"))["kind"] == "primary"


@pytest.mark.rule("SK-07")
async def test_goods_are_put_from_a_file_and_a_broken_file_is_refused_by_its_place(town: Town) -> None:
    product = {
        "sku": f"towel-{uuid4().hex[:8]}",
        "category": "household",
        "name": {"ja": "タオル", "en": "Towel", "zh_hans": "毛巾"},
        "description": {"ja": "綿", "en": "Cotton", "zh_hans": "棉"},
        "price": "550",
        "tax_rate": 10,
        "means": ["MEANS_CARD"],
        "lead_business_days": 3,
    }

    put = await desk(town, "goods", "-", typed=json.dumps([product]))
    again = await desk(town, "goods", "-", typed=json.dumps([product]))
    broken = await desk(town, "goods", "-", typed=json.dumps([product | {"price": "dear"}]))
    refused = await desk(town, "goods", "-", typed=json.dumps([product | {"price": "-1"}]))

    assert (put.out, again.out) == ("1 changed\n", "0 changed\n")
    assert broken.code == 2
    assert "price" in broken.err
    assert refused.code == 1
    assert "price" in refused.err


async def test_the_ledger_of_points_sums_to_zero(town: Town) -> None:
    await town.household(points=500)

    ledger = await desk(town, "ledger")

    assert (ledger.code, ledger.out.splitlines()[-1]) == (0, "sum 0")


@pytest.mark.rule("PR-15")
async def test_what_is_not_there_is_said_in_a_sentence(town: Town) -> None:
    unknown = await desk(town, "case", "ord_" + "0" * 26)
    no_id = await desk(town, "case", "12345")

    assert (unknown.code, no_id.code) == (1, 1)
    assert "[not-found]" in unknown.err
    assert "order_id:" in no_id.err


@pytest.mark.rule("OP-01")
async def test_the_views_are_those_of_the_stacks_own_time(town: Town) -> None:
    shown = await desk(town, "views")

    assert [line[:12].rstrip() for line in shown.out.splitlines()] == ["needs me", "due in 24 h", "overdue", "stopped"]
    assert f"{town.machine.clock.now():%Y-%m-%dT%H:}" in shown.out
