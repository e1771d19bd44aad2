"""The one folder that holds all data of a stack."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class AlreadyRunsError(Exception):
    """Another stack works in this folder."""


class Home:
    """Names what is where in the folder; deleting it deletes the stack's memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.postgres = self.folder / "pg"
        self.nats = self.folder / "nats"
        self.temporal = self.folder
        self.sandbox = self.folder / "sandbox.db"
        self.clock = self.folder / "clock"
        self.secrets = self.folder / "secrets"
        self.processes = self.folder / "processes.json"
        self._logs = self.folder / "logs"
        self._lock = self.folder / "lock"
        self._ports = self.folder / "ports.json"

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    @contextmanager
    def held(self, ports: Mapping[str, int]) -> Iterator[None]:
        """Keep the folder for this process; raises `AlreadyRunsError` while another has it.

        The kernel lets go of the lock with the process, however that ends.
        """
        # Others may pass through but not look: a PostgreSQL that runs as `nobody` must reach its data.
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunsError(
                    f"a stack already runs in {self.folder}: stop it with Ctrl-C where it was started, "
                    "or give another folder with --folder"
                ) from None
            self._ports.write_text(json.dumps(ports))
            self._put_logs_aside()
            yield

    def ports(self) -> Mapping[str, int]:
        """The ports of the stack that runs, or last ran, here."""
        ports: dict[str, int] = json.loads(self._ports.read_text())
        return ports

    def _put_logs_aside(self) -> None:
        previous = self._logs / "previous"
        self._logs.mkdir(exist_ok=True, mode=0o700)
        previous.mkdir(exist_ok=True)
        for log in self._logs.glob("*.log"):
            log.replace(previous / log.name)
