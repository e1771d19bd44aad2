"""Caps that slow down instead of locking out, counted in the transaction of what they cap (ID-05, ID-13).

Libraries for rate limits keep their counts elsewhere; here a refused or failed transaction takes its count back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.errors import Kind, RuumError
from services.identity.settings import Cap
from services.identity.throttles import repository

Caps = Mapping[str, Cap]
"""What is counted, by key."""


class Throttled(RuumError):
    """A cap is used up; says when to try again."""

    kind = Kind.TOO_MANY

    @classmethod
    def until(cls, wait: timedelta) -> Self:
        return cls(retry_after=wait, wait=math.ceil(wait.total_seconds()))


class TooManyTries(Throttled):
    code = "too-many-tries"


class TooManyCodes(Throttled):
    code = "too-many-codes"


async def count(tx: AsyncSession, caps: Caps, now: datetime, refusal: type[Throttled]) -> int:
    """Counts one try under each cap.

    Returns:
        How many more tries the tightest of them admits now.

    Raises:
        Throttled: one of them admits none; the transaction must not be committed.
    """
    used = await repository.move(tx, {key: cap.step for key, cap in caps.items()}, now)
    wait = _wait(caps, used, now)
    if wait:
        raise refusal.until(wait)
    return min((cap.window - (used[key] - now)) // cap.step for key, cap in caps.items())


async def give_back(tx: AsyncSession, caps: Caps, now: datetime) -> None:
    """Takes back what `count` counted in the same transaction: it was not a guess."""
    await repository.move(tx, {key: -cap.step for key, cap in caps.items()}, now)


async def full(session: AsyncSession, caps: Caps, now: datetime) -> timedelta:
    """How long it takes until one more try is admitted: nothing when it is now."""
    used = await repository.read(session, caps)
    return _wait(caps, {key: max(used.get(key, now), now) + cap.step for key, cap in caps.items()}, now)


def _wait(caps: Caps, used: Mapping[str, datetime], now: datetime) -> timedelta:
    return max(timedelta(), *(used[key] - now - cap.window for key, cap in caps.items()))
