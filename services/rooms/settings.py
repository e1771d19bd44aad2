"""Settings of the rooms service."""

from datetime import timedelta

from pydantic import Field, SecretStr

from services.chassis import settings
from services.chassis.foundation import ContextSettings


class Rules(settings.Settings):
    """What the business may choose."""

    wrong_pairs_per_member: int = Field(default=10, ge=1)
    wrong_pairs_per_client: int = Field(default=30, ge=1)
    """More than for a member: the households of a building may share one address."""
    wrong_pairs_per_code1: int = Field(default=10, ge=1)
    wrong_codes_window: timedelta = timedelta(hours=1)
    """How long wrong codes count (RM-03)."""
    permission_lifetime: timedelta = timedelta(seconds=60)
    """How long an answer about a permission may be kept (RM-05)."""


class Settings(ContextSettings, Rules):
    """Settings of the process."""

    public_url: str
    """Where residents reach the portal: the link of a code pair begins with it."""
    code_key: SecretStr = Field(min_length=32)
    """Keys the stored digests of code pairs: they live as long as leases do, so it is not rotated (RM-03)."""
