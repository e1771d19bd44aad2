"""`ruum` as a person runs it on a terminal, beside a stack that runs."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Said:
    """What a command answered.

    Attributes:
        code: its exit code.
        out: what it printed.
        err: what it said besides.
    """

    code: int
    out: str
    err: str

    @property
    def request(self) -> str:
        """The id under which it can be repeated."""
        return self.err.partition("--request ")[2].partition("\n")[0]


async def ruum(folder: Path, group: str, *words: str, typed: str = "", speaks: str = "en") -> Said:
    """Runs `ruum <group> …` on the stack in a folder; of the desk as op_sato, unless the words name another."""
    in_words = () if group == "reconcile" else ("--language", speaks)  # codes and ids, in no language
    options = ("--folder", str(folder), *in_words)
    before, after = (options, ()) if group == "desk" else ((), options)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", group, *before, *words, *after),
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(typed.encode())
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


def environment() -> dict[str, str]:
    told = {name: value for name, value in os.environ.items() if not name.startswith("RUUM_")}
    return told | {"RUUM_OPERATOR": "op_sato", "COLUMNS": "200", "NO_COLOR": "1"}
