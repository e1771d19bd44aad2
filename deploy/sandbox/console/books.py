"""What all of the console's routes share: one transaction each, and how lists are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Query

from deploy.sandbox.world import World

Json = dict[str, Any]
Limit = Annotated[int, Query(ge=1, le=1000)]


def books(world: World) -> Any:
    """Opens the books for a request and closes them before it is answered."""

    async def opened() -> AsyncIterator[None]:
        async with world.store.transaction():
            world.do_moved_jobs()
            yield

    return Depends(opened, scope="function")


def masked(number: str) -> str:
    return "•" * (len(number) - 2) + number[-2:]
