"""`ruum seed` on the whole system (OP-22)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from deploy.demo.resident import Resident
from deploy.seed.people import ENDINGS, people
from deploy.seed.settle import PASSWORD
from tests.journeys.command import environment
from tests.journeys.town import Town

pytestmark = pytest.mark.timeout(240)

SEED = 8


async def seeded(folder: Path, size: int) -> list[str]:
    command = (sys.executable, "-m", "services.cli", "seed", "--folder", str(folder), "--size", str(size))
    process = await asyncio.create_subprocess_exec(
        *command, "--seed", str(SEED), env=environment(), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().splitlines()


def test_the_same_number_makes_the_same_people_and_more_come_beside_them() -> None:
    assert people(1, 30)[:10] == people(1, 10)
    assert people(2, 10) != people(1, 10)


def test_seven_households_show_every_state() -> None:
    assert {person.ending for person in people(SEED, len(ENDINGS))} == set(ENDINGS)


@pytest.mark.rule("OP-22")
async def test_a_town_is_settled_once_and_grows(town: Town) -> None:
    folder, size = town.stack.table.home.folder, len(ENDINGS)
    firsts = people(SEED, size)

    first = await seeded(folder, size)
    mails = [len(await town.console.messages(person.mail)) for person in firsts]
    again = await seeded(folder, size)
    grown = await seeded(folder, size + 1)

    states = [line.split()[-1] for line in first[1 : size + 1]]
    assert [state for person, state in zip(firsts, states, strict=True) if person.ending != "resident"] == [
        person.ending for person in firsts if person.ending != "resident"
    ]
    assert again == first
    assert [len(await town.console.messages(person.mail)) for person in firsts] == mails
    assert grown[1 : size + 1] == first[1 : size + 1]
    assert "8 households" in grown[0]
    assert await town.books_agree() == ()


async def test_whoever_was_settled_signs_in_with_the_password_and_a_code(town: Town) -> None:
    (person, *_) = people(SEED, 1)
    await seeded(town.stack.table.home.folder, 1)
    resident = Resident(town.stack.table.environment.public_url, town.console)
    await town.forward(minutes=2)  # between two codes to one address

    try:
        await resident.sign_in(person.mail, PASSWORD)
        assert (await resident.get("profile"))["name"] == person.name
    finally:
        await resident.close()
