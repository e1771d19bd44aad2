"""A key never goes anywhere but to the address of the lease, whatever changes at whatever step (QA-12, SK-05)."""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from services.chassis.errors import RuumError
from services.sparekey.ports import Destination, Permission
from tests.sparekey.neighbours import ADDRESS, FakeMaker, ended, lease
from tests.sparekey.world import World

WALKS = int(os.environ.get("RUUM_TEST_WALKS", "12"))
"""250 of them are the 10,000 steps of QA-12."""
STEPS = 40


class Watched(FakeMaker):
    """Notes each key that leaves with the lease as it was when it left."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.left: list[tuple[str, Destination, Any]] = []

    async def _do(self, verb: str, key: str, order_id: str, **what: Any) -> dict[str, Any]:
        permission = self.world.rooms.leases[self.world.member_id, self.world.room_id]
        if "to" in what and verb in {"release", "redeliver"}:
            self.left.append((verb, what["to"], permission))
        return await super()._do(verb, key, order_id, **what)


def somewhere(chance: random.Random) -> dict[str, str]:
    return {**ADDRESS, "street": f"北{chance.randint(1, 9)}条西{chance.randint(1, 9)}"}


class Walk:
    """One order, with the lease, the maker and the steps as chance has it."""

    def __init__(self, world: World, maker: Watched, order_id: str, seed: int) -> None:
        self.world, self.maker, self.order_id = world, maker, order_id
        self.chance = random.Random(seed)  # a walk that can be taken again
        self.steps: list[Callable[[], Awaitable[Any]]] = [
            self.moves,
            self.moves,
            self.leaves,
            self.falls_silent,
            self.sweeps,
            self.comes_back,
            self.comes_back,
            self.operators_let_it_go,
            lambda: world.look(order_id),
            lambda: world.release(order_id),
            lambda: world.release(order_id),
            lambda: world.ask_redelivery(order_id),
            lambda: world.act(order_id, "order_redelivery"),
            lambda: world.redeliver(order_id),
        ]

    async def go(self) -> None:
        for _ in range(STEPS):
            with suppress(RuumError):
                await self.chance.choice(self.steps)()

    def _lease(self, permission: Permission) -> None:
        self.world.rooms.leases[self.world.member_id, self.world.room_id] = permission

    async def moves(self) -> None:
        self._lease(lease(address=somewhere(self.chance)))

    async def leaves(self) -> None:
        self._lease(ended(self.chance.choice(["lease-ended", "not-registered"])))

    async def falls_silent(self) -> None:
        self.maker.away = not self.maker.away

    async def sweeps(self) -> None:
        self.world.pass_time(minutes=30)
        await self.world.domain.making.sweep()

    async def comes_back(self) -> None:
        case = await self.world.case(self.order_id)
        if case.state == "released" or (case.state == "redelivering" and not case.on_its_way):
            await self.world.dispatched(self.order_id, "", "post" if case.state == "released" else "parcel")
        if (await self.world.case(self.order_id)).on_its_way:
            await self.world.returned(self.order_id, self.world.now.date())

    async def operators_let_it_go(self) -> None:
        for operator in ("op_sato", "op_tanaka"):
            await self.world.act(self.order_id, "release_dispatch", operator)


@pytest.mark.rule("QA-12")
async def test_no_key_ever_leaves_for_another_address_than_that_of_a_running_lease(world: World) -> None:
    left: list[tuple[str, Destination, Any]] = []
    for seed in range(WALKS):
        maker = Watched()
        alone = maker.world = World(world.database, world.keys_file, maker=maker)
        await Walk(alone, maker, await alone.cut(), seed).go()
        left += maker.left

    print(f"{WALKS * STEPS} steps, {len(left)} keys left")  # noqa: T201  # the figure that is promised
    wrong = [(verb, to.address) for verb, to, now in left if not now.allowed or to.address != now.address]
    assert {verb for verb, _, _ in left} == {"release", "redeliver"}
    assert wrong == []
