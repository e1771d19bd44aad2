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
from tests.sparekey.house import House
from tests.sparekey.neighbours import ADDRESS, FakeMaker, ended, lease

WALKS = int(os.environ.get("RUUM_TEST_WALKS", "12"))
"""250 of them are the 10,000 steps of QA-12."""
STEPS = 40


class Watched(FakeMaker):
    """Notes each key that leaves with the lease as it was when it left."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house = house
        self.left: list[tuple[str, Destination, Any]] = []

    async def _do(self, verb: str, key: str, order_id: str, **what: Any) -> dict[str, Any]:
        permission = self.house.rooms.leases[self.house.member_id, self.house.room_id]
        if "to" in what and verb in {"release", "redeliver"}:
            self.left.append((verb, what["to"], permission))
        return await super()._do(verb, key, order_id, **what)


def somewhere(chance: random.Random) -> dict[str, str]:
    return {**ADDRESS, "street": f"北{chance.randint(1, 9)}条西{chance.randint(1, 9)}"}


class Walk:
    """One order, with the lease, the maker and the steps as chance has it."""

    def __init__(self, house: House, maker: Watched, order_id: str, seed: int) -> None:
        self.house, self.maker, self.order_id = house, maker, order_id
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
            lambda: house.look(order_id),
            lambda: house.release(order_id),
            lambda: house.release(order_id),
            lambda: house.ask_redelivery(order_id),
            lambda: house.act(order_id, "order_redelivery"),
            lambda: house.redeliver(order_id),
        ]

    async def go(self) -> None:
        for _ in range(STEPS):
            with suppress(RuumError):
                await self.chance.choice(self.steps)()

    def _lease(self, permission: Permission) -> None:
        self.house.rooms.leases[self.house.member_id, self.house.room_id] = permission

    async def moves(self) -> None:
        self._lease(lease(address=somewhere(self.chance)))

    async def leaves(self) -> None:
        self._lease(ended(self.chance.choice(["lease-ended", "not-registered"])))

    async def falls_silent(self) -> None:
        self.maker.away = not self.maker.away

    async def sweeps(self) -> None:
        self.house.pass_time(minutes=30)
        await self.house.making.sweep(self.house.rules.sweep_after)

    async def comes_back(self) -> None:
        case = await self.house.case(self.order_id)
        if case.state == "released" or (case.state == "redelivering" and not case.on_its_way):
            await self.house.dispatched(self.order_id, "", "post" if case.state == "released" else "parcel")
        if (await self.house.case(self.order_id)).on_its_way:
            await self.house.returned(self.order_id, self.house.now.date())

    async def operators_let_it_go(self) -> None:
        for operator in ("op_sato", "op_tanaka"):
            await self.house.act(self.order_id, "release_dispatch", operator)


@pytest.mark.rule("QA-12")
async def test_no_key_ever_leaves_for_another_address_than_that_of_a_running_lease(house: House) -> None:
    left: list[tuple[str, Destination, Any]] = []
    for seed in range(WALKS):
        alone = House(house.database, house.keys_file)
        maker = Watched(alone)
        alone.maker = maker
        alone.making._maker = maker
        await Walk(alone, maker, await alone.cut(), seed).go()
        left += maker.left

    print(f"{WALKS * STEPS} steps, {len(left)} keys left")  # noqa: T201  # the figure that is promised
    wrong = [(verb, to.address) for verb, to, now in left if not now.allowed or to.address != now.address]
    assert {verb for verb, _, _ in left} == {"release", "redeliver"}
    assert wrong == []
