"""Settings of the points service: addresses, and the numbers of the program that the business chooses."""

from pydantic import Field

from services.chassis import settings
from services.chassis.foundation import ContextSettings
from services.chassis.settings import TemporalSettings


class Rules(settings.Settings):
    """The numbers of the points program; each order keeps those of its own day (PT-07)."""

    rules_version: str = "2025-04-01"
    """Names the terms that these numbers belong to."""
    yen_per_point: int = Field(default=100, gt=0)
    """Yen paid that earn one normal point (PT-02)."""
    claim_days: int = Field(default=10, gt=0)
    """Days after arrival in which goods can be claimed; then points are granted (PT-05)."""
    presumed_arrival_days: int = Field(default=14, gt=0)
    """Days after dispatch at which goods count as arrived when nobody said so (PT-05)."""
    normal_years: int = Field(default=2, gt=0)
    """Years that normal points live from the last transaction or action (PT-10)."""
    reissue_days: int = Field(default=30, gt=0)
    """Days for which points that lapsed by our fault are issued again (PT-25)."""


class Settings(ContextSettings, TemporalSettings, Rules):
    pass
