"""`ruum seed`: settles the town on a stack that runs, and says how to sign in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deploy.demo.run import Demo
from deploy.local.stack import Stack
from deploy.seed.people import people
from deploy.seed.settle import PASSWORD, Settled, Settlers


async def plant(running: Stack, size: int, seed: int) -> list[str]:
    """Makes a town of so many households; the same again changes nothing. Returns what is to be printed.

    Args:
        running: the stack.
        size: how many households.
        seed: other numbers make other people, beside those that are there.
    """
    environment = running.table.environment
    demo = Demo(running)
    try:
        settlers = Settlers(environment.public_url, demo.console, demo.seed)
        settled = await settlers.settle(people(seed, size), f"seed/{seed}/{size}")
    finally:
        await demo.close()
    return [*_lines(settled), "", *_how(environment.public_url, environment.console_url)]


def _lines(settled: Sequence[Settled]) -> Iterator[str]:
    buildings = {one.person.building.code for one in settled}
    orders = [one for one in settled if one.order_id]
    yield f"{len(buildings)} buildings, {len(settled)} households, {len(orders)} orders of keys"
    for one in settled:
        person = one.person
        room = f"{person.building.name} {person.room_number}"
        yield f"  {person.mail}  {person.language:<7}  {room}  {one.order_id}  {one.state}".rstrip()


def _how(url: str, console: str) -> Iterator[str]:
    yield f"everybody's password: {PASSWORD}"
    yield f"to sign in: POST {url}/api/v1/sessions with address, password and language"
    yield f"the code that a new device needs arrives at {console}"
