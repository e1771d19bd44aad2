"""The declared table of everything that runs: what starts how, after what, and when it counts as ready."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from temporalio.client import Client

from deploy.local import nats, temporal
from deploy.local.child import Program
from deploy.local.credentials import Credentials
from deploy.local.environment import Environment, make_signing_keys
from deploy.local.home import Home
from deploy.local.nats import Nats
from deploy.local.postgres import ADMIN, ROLES, Postgres, create_contexts
from deploy.local.probes import grpc_serves, http_serves
from deploy.local.supervisor import Unit
from deploy.local.temporal import Temporal
from services import CONTEXTS

SERVERS = ("postgres", "nats", "temporal")
# Which ports a unit listens on; one that is not here has the port of its own name, a job none.
_PORTS = {
    "temporal": ("temporal", "temporal-ui", "temporal-http", "temporal-metrics"),
    "sandbox": ("sandbox", "smtp"),
    **{name: (name, f"{name}-metrics") for name in (*CONTEXTS, "worker", "gateway")},
}


class Table:
    """The units of a stack in one folder on these ports."""

    def __init__(self, home: Home, ports: Mapping[str, int]) -> None:
        self.home = home
        credentials = Credentials(home.secrets)
        make_signing_keys(credentials)
        self._database_passwords = {role: credentials.secret(f"database/{role}") for role in (ADMIN, *ROLES)}
        users = {user: credentials.secret(f"nats/{user}") for user in nats.USERS}
        self.postgres = Postgres(home.postgres, ports["postgres"], self._database_passwords, log=home.log("postgres"))
        self.nats = Nats(home.nats, ports["nats"], users, log=home.log("nats"))
        self.temporal = Temporal(
            home.temporal,
            ports["temporal"],
            ui_port=ports["temporal-ui"],
            http_port=ports["temporal-http"],
            metrics_port=ports["temporal-metrics"],
            log=home.log("temporal"),
        )
        self.environment = Environment(home, ports, credentials, self.postgres, self.nats)

    def units(self) -> list[Unit]:
        """All rows, in an order in which each stands below what it comes after."""
        return [
            Unit(self.postgres.program(), furnish=self._create_contexts),
            Unit(self.nats.program(), furnish=self.nats.create_stream),
            Unit(self.temporal.program(), furnish=self._prepare_namespace),
            self._sandbox(),
            self._migrations(),
            *(self._service(context) for context in CONTEXTS),
            self._worker(),
            self._gateway(),
        ]

    async def _create_contexts(self) -> None:
        await create_contexts(self.postgres.admin_url, self._database_passwords)

    async def _prepare_namespace(self) -> None:
        await temporal.prepare(await Client.connect(self.temporal.address))

    def _sandbox(self) -> Unit:
        environment = self.environment
        ready = partial(http_serves, environment.address("sandbox"), "/healthz")
        return Unit(self._python("sandbox", ["deploy.sandbox"], environment.sandbox(), ready))

    def _migrations(self) -> Unit:
        # One process for all: what takes time is to start it.
        command = ["services.cli", "migrate"]
        return Unit(
            self._python("migrate", command, self.environment.migrations(), _always), after=("postgres",), job=True
        )

    def _service(self, context: str) -> Unit:
        ready = partial(grpc_serves, self.environment.address(context))
        command = ["services.cli", "serve", context]
        return Unit(
            self._python(context, command, self.environment.service(context), ready),
            after=(*SERVERS, "migrate"),
        )

    def _worker(self) -> Unit:
        ready = partial(grpc_serves, self.environment.address("worker"))
        return Unit(
            self._python("worker", ["services.cli", "worker"], self.environment.worker(), ready),
            after=("temporal", *CONTEXTS),
        )

    def _gateway(self) -> Unit:
        ready = partial(http_serves, self.environment.address("gateway"), "/readyz")
        command = ["services.cli", "serve", "gateway"]
        return Unit(self._python("gateway", command, self.environment.gateway(), ready), after=CONTEXTS)

    def _python(
        self, name: str, module: list[str], environment: dict[str, str], ready: Callable[[], Awaitable[bool]]
    ) -> Program:
        return Program(
            name=name,
            argv=(sys.executable, "-P", "-m", *module),  # -P: never from the folder that one stands in
            env={**environment, "PYTHONUNBUFFERED": "1"},
            log=self.home.log(name),
            ready=ready,
        )


def ports_of(unit: Unit) -> tuple[str, ...]:
    """The names of the ports that a unit will listen on."""
    return () if unit.job else _PORTS.get(unit.name, (unit.name,))


async def _always() -> bool:
    return True
