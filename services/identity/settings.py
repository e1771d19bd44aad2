"""Settings of identity: what the business may choose (periods, caps, password hashing), and its secrets."""

from datetime import timedelta

from pydantic import BaseModel, Field, SecretStr

from services.chassis import settings
from services.chassis.foundation import ContextSettings
from services.chassis.settings import SealingSettings


class Cap(BaseModel, frozen=True):
    """At most `times` at once, and after that one more each `seconds / times`: a throttle, no lock (ID-13)."""

    times: int = Field(ge=1)
    seconds: int = Field(ge=1)

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=self.seconds)

    @property
    def step(self) -> timedelta:
        """For how long one try counts."""
        return self.window // self.times


class Rules(settings.Settings):
    """The numbers that the business may choose; all have defaults."""

    code_lifetime: timedelta = timedelta(minutes=10)
    code_tries: int = Field(default=5, ge=1)
    code_gap: Cap = Cap(times=1, seconds=60)
    """Between two sends to one address, whatever the flow (ID-02)."""
    flow_lifetime: timedelta = timedelta(hours=1)
    """How long a sign-up or sign-in may take from its first code on."""
    sending_domain: str = "ruum.me"
    """From which our mail comes: named to whoever has to let it through (ID-04)."""
    wrong_codes_per_address: Cap = Cap(times=5, seconds=30 * 60)
    wrong_codes_per_account: Cap = Cap(times=5, seconds=30 * 60)
    wrong_codes_per_client: Cap = Cap(times=100, seconds=60 * 60)
    sends_per_address: Cap = Cap(times=5, seconds=60 * 60)
    sends_per_prefix: Cap = Cap(times=30, seconds=60 * 60)
    """To the ten thousand numbers that differ only in the last four digits: whoever pumps SMS dials through them."""
    sends_per_client: Cap = Cap(times=50, seconds=60 * 60)
    sends_in_all: Cap = Cap(times=5_000, seconds=60 * 60)

    wrong_passwords_per_address: Cap = Cap(times=10, seconds=60 * 60)
    wrong_passwords_per_client: Cap = Cap(times=100, seconds=60 * 60)
    argon2_memory_kib: int = Field(default=47_104, ge=8)
    argon2_passes: int = Field(default=1, ge=1)

    session_idle: timedelta = timedelta(days=30)
    session_absolute: timedelta = timedelta(days=90)
    device_idle: timedelta = timedelta(days=180)
    """A device that was not signed in on for longer is a new one."""


class Settings(ContextSettings, SealingSettings, Rules):
    """Settings of the process."""

    code_key: SecretStr = Field(min_length=32)
    """Keys the digests of codes, tokens, addresses and clients (ID-05)."""
