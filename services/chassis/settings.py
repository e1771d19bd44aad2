"""Settings: typed, read once at the start from `RUUM_…` variables of the environment (QA-16)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.chassis.clock import Clock, clock_from
from services.chassis.jst import BusinessCalendar, Closure

PREFIX = "RUUM_"
S = TypeVar("S", bound="Settings")


def _closures(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(Closure.parse(part) for part in value.split(",") if part.strip())


class Settings(BaseSettings):
    """A group of values; a process's own class joins `ServiceSettings` with the groups it needs."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )


class ServiceSettings(Settings):
    """What every process is told."""

    deployment: str
    """`local` on a developer's machine, else the name of the deployment."""
    clock_file: Path | None = None
    """Holds the offset of a movable clock; only for deployment `local` (PR-05)."""
    listen: str
    """The address to serve on, `host:port`."""
    metrics_listen: str | None = None
    """Where `/metrics` is answered, `host:port`; nowhere when it is not set (OP-31)."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    keys_dir: Path
    """The folder with the public keys of all token issuers (ID-15)."""
    signing_key_file: Path
    """The private key with which this process shows who it is (ID-15)."""
    request_key: SecretStr = Field(min_length=32)
    """Keys the stored hashes of requests (PR-10)."""

    def clock(self) -> Clock:
        """The clock of this process (PR-05).

        Raises:
            ValueError: a clock file outside of deployment `local`.
        """
        return clock_from(self.deployment, self.clock_file)

    @field_validator("clock_file")
    @classmethod
    def _only_local_time_moves(cls, clock_file: Path | None, info: ValidationInfo) -> Path | None:
        if clock_file is not None and info.data.get("deployment") != "local":
            raise PydanticCustomError("deployed_clock", "time cannot be moved in a deployment")
        return clock_file


class CallerSettings(Settings):
    """What a program beside the services is told that calls them; its own class adds their addresses."""

    deployment: str
    clock_file: Path | None = None
    signing_key_file: Path


class DatabaseSettings(Settings):
    database_url: SecretStr
    """Of the service's role, which may not change the schema."""
    database_pool_size: int = Field(default=10, ge=1)


class EventSettings(Settings):
    nats_url: SecretStr
    """With the user of this context, who may publish only its own subjects (OP-10)."""


class TemporalSettings(Settings):
    temporal_address: str
    temporal_namespace: str = "ruum"


class SealingSettings(Settings):
    master_keys_file: Path
    """The rotating master keys, as `sealing.MasterKeys` reads them (SK-12)."""


class CalendarSettings(Settings):
    closures: Annotated[tuple[Closure, ...], NoDecode, BeforeValidator(_closures)] = ()
    """Days on which the company is closed, as ISO intervals parted by commas (PR-04)."""

    def calendar(self) -> BusinessCalendar:
        return BusinessCalendar(self.closures)


def load(settings: type[S]) -> S:
    """Reads the settings of this process from its environment.

    Raises:
        SystemExit: one line for each missing or wrong value: its variable's name and never the value.
    """
    try:
        return settings()
    except ValidationError as refused:
        found = refused.errors(include_input=False, include_context=False, include_url=False)
    raise SystemExit("\n".join(f"{PREFIX}{error['loc'][0]}".upper() + f" {_complaint(error)}" for error in found))


def told_by(settings: type[S], environment: Mapping[str, str]) -> S:
    """Reads settings from variables that are meant for another process than this."""
    return settings.model_validate(
        {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    )


def _complaint(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "is not set"
    # A validator's own words may repeat the value; the library's never do.
    words = "" if error["type"] in {"value_error", "assertion_error"} else f": {error['msg']}"
    return f"is not valid{words}"
