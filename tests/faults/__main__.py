"""`make faults`: every external effect of an order, with each process killed before it is reported (QA-05).

    python -m tests.faults [part of a line, as "EPOS" or ": worker"]

Prints one line an effect and victim, and what reconcile finds at the end; ends with 1 when anything is wrong.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from itertools import product
from pathlib import Path

from deploy.local import ports, stack
from tests.faults.crashes import EFFECTS, VICTIMS, survive
from tests.journeys.town import Town


async def main(chosen: str) -> int:
    """Returns how many of them did not hold."""
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="ruum-faults-") as folder:
        async with stack.running(Path(folder), ports.any_free(), tell=lambda _line: None) as running:
            town = await Town.founded(running)
            for name, victim in product(EFFECTS, VICTIMS):
                if chosen not in f"{name}: {victim}":
                    continue
                try:
                    await survive(town, EFFECTS[name], victim)
                    print(f"ok     {name}: {victim} killed", flush=True)
                except (AssertionError, TimeoutError) as failure:
                    wrong += 1
                    print(f"WRONG  {name}: {victim} killed: {failure}", flush=True)
            found = await town.books_agree()
            for one in found:
                print(f"WRONG  {one}")
            await town.close()
    print(f"{wrong + len(found)} wrong")
    return wrong + len(found)


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main(" ".join(sys.argv[1:]))) else 0)
