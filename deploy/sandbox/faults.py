"""What a person may make a partner suffer from, and how much of it a request feels."""

from __future__ import annotations

import asyncio
import random

from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.world import World

PARTNERS = ("card", "deferred", "epos", "maker", "post", "carrier", "sms")


class Faults(BaseModel):
    model_config = ConfigDict(extra="forbid")

    away: bool = False
    hang_s: float = Field(default=0, ge=0)
    slow_ms: int = Field(default=0, ge=0)
    error_rate: float = Field(default=0, ge=0, le=1)
    withhold_s: float = Field(default=0, ge=0)
    lag_s: float = Field(default=0, ge=0)
    times: int | None = Field(default=None, ge=1)

    @property
    def harmless(self) -> bool:
        return not (self.away or self.hang_s or self.slow_ms or self.error_rate or self.withhold_s or self.lag_s)

    async def before(self) -> tuple[int, str] | None:
        """Waits as the faults want, and says what is answered instead of doing anything."""
        await asyncio.sleep(self.slow_ms / 1000)
        if self.hang_s:
            await asyncio.sleep(self.hang_s)
            return 503, "timed_out"
        if self.away:
            return 503, "unavailable"
        return (500, "internal_error") if self.error_rate else None

    async def after(self) -> tuple[int, str] | None:
        """Withholds the answer to what has been done."""
        await asyncio.sleep(self.withhold_s)
        return (504, "timed_out") if self.withhold_s else None


def faults_of(world: World, partner: str) -> Faults:
    return Faults.model_validate(world.store.knob(f"faults {partner}") or {})


def set_faults(world: World, partner: str, faults: Faults) -> None:
    world.store.turn(f"faults {partner}", faults.model_dump())


async def strike(world: World, partner: str, *, reads: bool) -> Faults:
    """The faults that one request feels; counts it when only so many are to be afflicted."""
    if faults_of(world, partner).harmless:
        return Faults()
    async with world.store.transaction():
        return _struck(world, partner, reads=reads)


def _struck(world: World, partner: str, *, reads: bool) -> Faults:
    faults = faults_of(world, partner)
    hit = faults.model_copy(
        update={
            "error_rate": float(random.random() < faults.error_rate),  # noqa: S311 - dice, no secret
            "withhold_s": 0 if reads else faults.withhold_s,
            "lag_s": faults.lag_s if reads else 0,
        }
    )
    if faults.times and not hit.harmless:
        left = faults.times - 1
        set_faults(world, partner, faults.model_copy(update={"times": left}) if left else Faults())
    return hit
