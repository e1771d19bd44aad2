"""`make bench`: what things cost, each beside its bare ceiling in the same run.

    python -m tests.bench [orders]

Prints ratios and counts; a time alone proves nothing on a shared machine.
"""

from __future__ import annotations

import asyncio
import platform
import sys
import tempfile
from pathlib import Path

from deploy.local import ports, stack
from tests.bench import placing
from tests.journeys.town import Town


async def main(orders: int) -> None:
    """Starts a stack of its own and measures on it."""
    print(f"{platform.machine()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="ruum-bench-") as folder:
        async with stack.running(Path(folder), ports.any_free(), tell=lambda _line: None) as running:
            town = await Town.founded(running)
            try:
                await placing.measure(town, orders)
            finally:
                await town.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 40))
