"""The people of a town move in and order their keys, each as far as they are to come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.demo.console import Console, until
from deploy.demo.neighbours import Seed
from deploy.demo.resident import Means, Resident
from deploy.demo.story import VISA
from deploy.seed.people import Ending, Person

PASSWORD = "correct horse battery staple"  # noqa: S105  # everybody's in this town, as it is printed
NUMBER, UNKNOWN = "AB12CD34", "A0000B12"

_AT_ONCE = 4
_LAST_DAY = "2030-12-31"
_UNDER_WAY = {"placing", "checking", "accepted", "making", "ready", "cleared", "released"}
# What the post does: from which state, which button, to which state.
_POST: Mapping[Ending, Sequence[tuple[str, str, str]]] = {
    "absent": [("dispatched", "absent", "absent")],
    "returned": [("dispatched", "absent", "absent"), ("absent", "returned", "returned")],
    "handed-over": [("dispatched", "handed_over", "handed-over")],
}


@dataclass(frozen=True)
class Settled:
    """What became of a person: their order's id and state, where they have one."""

    person: Person
    order_id: str = ""
    state: str = ""


class Settlers:
    """Whoever lives here already is left as they are: what is done anew is only what is not there yet."""

    def __init__(self, url: str, console: Console, seed: Seed) -> None:
        self._url = url
        self._console = console
        self._seed = seed

    async def settle(self, people: Sequence[Person], mark: str) -> list[Settled]:
        """Lets all of them come, some at a time.

        Args:
            people: who comes.
            mark: names the same people each time: leases are stated under it.

        Raises:
            ProblemError, RuumError: somebody was refused.
        """
        await self._seed.plant()
        buildings = {person.building.code: person.building.stated() for person in people}
        await self._seed.state(mark, list(buildings.values()), [person.lease() for person in people])
        places = asyncio.Semaphore(_AT_ONCE)

        async def come(person: Person) -> Settled:
            async with places:
                return await self._come(person)

        async with asyncio.TaskGroup() as coming:
            tasks = [coming.create_task(come(person)) for person in people]
        return [task.result() for task in tasks]

    async def _come(self, person: Person) -> Settled:
        resident = Resident(self._url, self._console, person.language)
        try:
            await resident.come_in(person.mail, PASSWORD)
            room_id = await self.move_in(resident, person)
            if person.ending == "resident":
                return Settled(person)
            return await self._lead(resident, person, await self._order(resident, person, room_id))
        finally:
            await resident.close()

    async def move_in(self, resident: Resident, person: Person) -> str:
        """Their room; what a new member fills in, they have filled in before they register it."""
        if rooms := (await resident.get("rooms"))["rooms"]:
            return str(rooms[0]["room_id"])
        await resident.complete_profile(person.name, person.kana, dict(person.home))
        if person.points:
            await self._seed.welcome_points(resident.member_id, person.points, _LAST_DAY)
        pair = await self._seed.code_pair(person.lease_code)
        return await resident.register_room(pair.code1, pair.code2)

    async def _order(self, resident: Resident, person: Person, room_id: str) -> str:
        """Their order, placed unless it is to stay in the cart."""
        if orders := (await resident.get("spare-keys/orders"))["orders"]:
            return str(orders[0]["order_id"])
        kind = "ic" if person.building.e_touch else "normal"
        order_id = await resident.draft_key(room_id, kind, 1, UNKNOWN if person.ending == "number-asked" else NUMBER)
        recipient = {"name": person.name, "kana": person.kana, "phone": person.phone}
        if person.means == "card":
            means = Means("card", await self._console.card_token(VISA))
            await resident.choose(order_id, means, recipient=recipient)
        else:
            await resident.choose(order_id, Means("deferred"), recipient=recipient, invoice_to="delivery")
        if person.ending != "in-cart":
            await resident.place(order_id)
        return order_id

    async def _lead(self, resident: Resident, person: Person, order_id: str) -> Settled:
        """Presses the post's buttons; an order that somebody has led elsewhere stays there."""
        if person.ending == "in-cart":
            return Settled(person, order_id, "in-cart")

        async def at_rest() -> str | None:
            state = str((await resident.key_order(order_id))["state"])
            return None if state in _UNDER_WAY else state

        state = await until(at_rest, f"{order_id} to come to rest")
        for before, press, after in _POST.get(person.ending, ()):
            if state == before:
                await self._console.parcel(await self._console.tracking_number(order_id, 1), press)
                state = str((await resident.sees(order_id, after))["state"])
        return Settled(person, order_id, state)
