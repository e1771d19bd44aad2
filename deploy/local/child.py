"""One program as a child process: started, waited for, watched and stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sysconfig
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_POLL = 0.05
_LOG_TAIL = 2_000

# What a program may see of the shell that started the stack: nothing that could carry a secret.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class ProgramError(Exception):
    """A program ended, or stayed silent, before it was ready. Carries the end of its log."""


@dataclass(frozen=True)
class Program:
    """What to run, and how to know that it works.

    `ready` answers whether the program serves now; it is asked again and again and must not raise for
    a server that is still coming up. `prepare` runs before each start and must be idempotent.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    ready: Callable[[], Awaitable[bool]]
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], Awaitable[None]] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    user: int | None = None


def installed(command: str) -> str:
    """The path of a command that was installed beside this Python."""
    return str(Path(sysconfig.get_path("scripts")) / command)


class Child:
    """A running program, in a process group of its own: a terminal's Ctrl-C reaches only its starter."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Prepare and start the program; raises `ProgramError` when it cannot be executed."""
        program = self.program
        if program.prepare is not None:
            await program.prepare()
        program.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        with program.log.open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *program.argv,
                    env={**inherited, **program.env},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    umask=0o077,
                    user=program.user,
                    group=program.user,
                    extra_groups=None if program.user is None else [],
                )
            except OSError as error:
                raise ProgramError(f"{program.name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def exited(self) -> bool:
        return self._running.returncode is not None

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        return await self._running.wait()

    async def until_ready(self, patience: float) -> None:
        """Wait until the program serves.

        Raises `ProgramError` when it ends first, or when `patience` seconds are over.
        """
        try:
            async with asyncio.timeout(patience):
                while not await self.program.ready():
                    if self.exited:
                        raise ProgramError(self.explain(f"ended with code {self._running.returncode}"))
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise ProgramError(self.explain(f"was not ready after {patience:g} s")) from None

    async def stop(self, grace: float = 5.0) -> None:
        """Ask the program to end; after `grace` seconds kill all that is left of its group."""
        if not self.exited:
            self._running.send_signal(self.program.stop_signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), grace)
        self.kill()
        await self.wait()

    def kill(self) -> None:
        """End the program and its whole group at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def explain(self, what: str) -> str:
        """What happened to the program, with the end of its log."""
        log = self.program.log.read_bytes()[-_LOG_TAIL:].decode(errors="replace").strip()
        return f"{self.program.name} {what}; the end of {self.program.log}:\n{log}"

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.program.name} was never started")
        return self._process


@asynccontextmanager
async def running(program: Program, patience: float = 60.0) -> AsyncIterator[Child]:
    """A program that serves, for the time of an `async with`; raises `ProgramError` when it cannot."""
    child = Child(program)
    await child.start()
    try:
        await child.until_ready(patience)
        yield child
    finally:
        await child.stop()
