"""What each process is told by its environment: what it needs, and no secret of another."""

from __future__ import annotations

import json
from collections.abc import Mapping

from deploy.local.credentials import Credentials
from deploy.local.home import Home
from deploy.local.nats import Nats
from deploy.local.ports import LOOPBACK
from deploy.local.postgres import Postgres
from deploy.local.temporal import NAMESPACE
from services import CONTEXTS

_PREFIX = "RUUM_"
_API_PARTNERS = {"store": ("card", "deferred", "epos"), "sparekey": ("maker",), "notifier": ("sms",)}
_WEBHOOK_PARTNERS = {"store": ("card", "deferred", "epos"), "sparekey": ("maker", "post", "carrier")}


class Environment:
    """Writes each process's variables; secrets that are named for the first time are made."""

    def __init__(
        self, home: Home, ports: Mapping[str, int], credentials: Credentials, postgres: Postgres, nats: Nats
    ) -> None:
        self._home = home
        self._ports = ports
        self._credentials = credentials
        self._postgres = postgres
        self._nats = nats
        self.public_url = self.url("gateway")
        self.console_url = self.url("sandbox")

    def address(self, name: str) -> str:
        return f"{LOOPBACK}:{self._ports[name]}"

    def url(self, name: str) -> str:
        return f"http://{self.address(name)}"

    def migrations(self) -> dict[str, str]:
        """For the job that brings all schemas up to date, each as its owner."""
        return self._prefixed(
            {
                f"{context}_MIGRATION_DATABASE_URL".upper(): self._postgres.url(f"{context}_owner")
                for context in CONTEXTS
            }
        )

    def service(self, context: str) -> dict[str, str]:
        values = self._process(context)
        values["DATABASE_URL"] = self._postgres.url(context)
        values["NATS_URL"] = self._nats.url(context)
        if context in {"identity", "sparekey"}:
            values["MASTER_KEYS_FILE"] = str(self._credentials.master_keys(context))
        if context in {"identity", "rooms"}:
            values["CODE_KEY"] = self._credentials.secret(f"code-keys/{context}")
        if context == "identity":
            # Here everybody comes from one address.
            values["SENDS_PER_CLIENT"] = json.dumps({"times": 100_000, "seconds": 3600})
        if context == "notifier":
            values["SMTP_HOST"], values["SMTP_PORT"] = LOOPBACK, str(self._ports["smtp"])
        if context in {"store", "sparekey"}:
            # Here people move the time and look at the screen: what a partner left open is not waited for long.
            values["SWEEP_EVERY"] = "PT3S"
        for partner in _API_PARTNERS.get(context, ()):
            values[f"{partner}_URL".upper()] = f"{self.console_url}/{partner}"
            values |= self._api_secret(partner)
        for partner in _WEBHOOK_PARTNERS.get(context, ()):
            values |= self._webhook_secret(partner)
        return self._prefixed(values)

    def gateway(self) -> dict[str, str]:
        values = self._process("gateway")
        values["NATS_URL"] = self._nats.url("gateway")
        values["HELP_MAIL"] = "help@ruum.example"
        # Here everybody comes from one address, and programs ask again faster than people do.
        values["REQUESTS_PER_MINUTE"] = values["REQUESTS_PER_MINUTE_OF_ADDRESS"] = "100000"
        return self._prefixed(values)

    def worker(self) -> dict[str, str]:
        return self._prefixed(self._process("worker"))

    def sandbox(self) -> dict[str, str]:
        """For the partners' stand-ins, which know all partners' secrets and nothing else of ruum."""
        values = {"CLOCK_FILE": str(self._home.clock)}
        for partners in _API_PARTNERS.values():
            for partner in partners:
                values |= self._api_secret(partner)
        for partners in _WEBHOOK_PARTNERS.values():
            for partner in partners:
                values |= self._webhook_secret(partner)
        return {
            **self._prefixed(values),
            "SANDBOX_LISTEN": self.address("sandbox"),
            "SANDBOX_SMTP_LISTEN": self.address("smtp"),
            "SANDBOX_DATA": str(self._home.sandbox),
            "SANDBOX_WEBHOOK_BASE": f"{self.public_url}/webhooks",
        }

    def caller(self, name: str) -> dict[str, str]:
        """For a program of this machine that calls the services under a name of its own, as `desk`."""
        return self._prefixed(self._identity_of(name))

    def _process(self, name: str) -> dict[str, str]:
        return {
            **self._identity_of(name),
            "LISTEN": self.address(name),
            "METRICS_LISTEN": self.address(f"{name}-metrics"),
            "REQUEST_KEY": self._credentials.secret(f"request-keys/{name}"),
            "TEMPORAL_ADDRESS": self.address("temporal"),
            "TEMPORAL_NAMESPACE": NAMESPACE,
        }

    def _identity_of(self, name: str) -> dict[str, str]:
        return {
            "DEPLOYMENT": "local",
            "CLOCK_FILE": str(self._home.clock),
            "KEYS_DIR": str(self._credentials.public_keys),
            "SIGNING_KEY_FILE": str(self._credentials.signing_key(name)),
            "PUBLIC_URL": self.public_url,
            **{f"{context}_ADDRESS".upper(): self.address(context) for context in CONTEXTS},
        }

    def _api_secret(self, partner: str) -> dict[str, str]:
        return {f"{partner}_SECRET".upper(): self._credentials.secret(f"partners/{partner}")}

    def _webhook_secret(self, partner: str) -> dict[str, str]:
        return {f"{partner}_WEBHOOK_SECRET".upper(): self._credentials.secret(f"webhooks/{partner}")}

    @staticmethod
    def _prefixed(values: Mapping[str, str]) -> dict[str, str]:
        return {_PREFIX + name: value for name, value in values.items()}


def make_signing_keys(credentials: Credentials) -> None:
    """All keys before the first process starts, since each reads the others' public halves at its start."""
    for name in (*CONTEXTS, "gateway", "worker", "desk", "contract-master"):
        credentials.signing_key(name)
