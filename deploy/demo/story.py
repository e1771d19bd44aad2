"""The story: a number that does not exist, a reply, nobody at home, back to the maker, again for 935 yen (OP-21)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from deploy.demo.console import Console, until
from deploy.demo.neighbours import Seed
from deploy.demo.resident import Means, Resident
from deploy.demo.timemachine import TimeMachine
from services.chassis.jst import JST

VISA = "4242424242424242"
WRONG_NUMBER = "A0000B12"
RIGHT_NUMBER = "AB12CD34"
ADDRESS = {
    "postal_code": "180-0012",
    "prefecture": "東京都",
    "city": "武蔵野市",
    "street": "緑町9丁目8番7号",
    "building": "サンライト緑町 203",
}


@dataclass
class Told:
    """What the story leaves to be printed."""

    order_id: str = ""
    address: str = ""
    steps: list[tuple[datetime, str]] = field(default_factory=list)
    order: dict[str, Any] = field(default_factory=dict)
    points: dict[str, Any] = field(default_factory=dict)


class Story:
    """One resident, one key, six weeks in a minute."""

    def __init__(self, resident: Resident, console: Console, seed: Seed, machine: TimeMachine) -> None:
        self._resident = resident
        self._console = console
        self._seed = seed
        self._machine = machine
        self.told = Told()

    async def tell(self, address: str) -> Told:
        """Lives it through; each step waits until the resident's own page shows it."""
        self.told.address = address
        room_id = await self._move_in(address)
        order_id = await self.order(room_id)
        await self.correct_the_number(order_id)
        await self.nobody_home(order_id)
        await self.again_for_935_yen(order_id)
        await self.points_arrive(order_id)
        self.told.order = await self._resident.key_order(order_id)
        return self.told

    async def _move_in(self, address: str) -> str:
        resident = self._resident
        await resident.sign_up(address, "correct horse battery staple")
        self._note("signed up with a code by mail")
        await resident.complete_profile("見本 花子", "ミホン ハナコ", ADDRESS)
        pair = await self._seed.code_pair(await self._seed.new_lease("見本 花子"))
        room_id = await resident.register_room(pair.code1, pair.code2)
        self._note("registered the room with the codes of the lease")
        last_day = (self._machine.clock.now().astimezone(JST) + timedelta(days=90)).date()
        await self._seed.welcome_points(resident.member_id, 500, last_day.isoformat())
        return room_id

    async def order(self, room_id: str) -> str:
        resident = self._resident
        order_id = await resident.draft_key(room_id, "ic", 1, WRONG_NUMBER)
        token = await self._console.card_token(VISA)
        recipient = {"name": "見本 花子", "kana": "ミホン ハナコ", "phone": "09012345678"}
        await resident.choose(
            order_id,
            Means("card", token),
            points_choice="some",
            points_some=200,
            coupon_code="SPARE300",
            recipient=recipient,
        )
        placed = await resident.place(order_id)
        if placed["outcome"] != "placed":
            raise RuntimeError(f"not placed: {placed}")
        self.told.order_id = order_id
        self._note(f"ordered an IC key, 200 points, coupon and card: order number {placed['order_number']}")
        await resident.sees(order_id, "number-asked")
        self._note("the maker does not know the number: one week to give the right one")
        return order_id

    async def correct_the_number(self, order_id: str) -> None:
        await self._machine.forward(timedelta(days=5))
        await self._resident.post(f"spare-keys/orders/{order_id}/key-number", key_number=RIGHT_NUMBER)
        self._note("five days later: the right number")
        await self._resident.sees(order_id, "dispatched")
        self._note("number accepted, keys cut, lease looked at again, card charged, dispatched by registered mail")

    async def nobody_home(self, order_id: str) -> None:
        parcel = await self._console.tracking_number(order_id, 1)
        await self._machine.forward(timedelta(days=2))
        await self._console.parcel(parcel, "absent")
        await self._resident.sees(order_id, "absent")
        self._note("nobody at home: an absence notice, the post keeps it for seven days")
        await self._machine.forward(timedelta(days=8))
        await self._console.parcel(parcel, "returned")
        await self._resident.sees(order_id, "returned")
        self._note("back at the maker: a month to order redelivery")

    async def again_for_935_yen(self, order_id: str) -> None:
        await self._machine.forward(timedelta(days=25))
        await self._resident.post(f"spare-keys/orders/{order_id}/redelivery", charge_accepted=True)
        await self._resident.sees(order_id, "redelivering")
        self._note("twenty-five days later: redelivery ordered, 935 yen on delivery")
        parcel = await self._console.tracking_number(order_id, 2)
        await self._console.parcel(parcel, "collected")
        await self._console.parcel(parcel, "handed_over")
        await self._resident.sees(order_id, "handed-over")
        self._note("935 yen paid, the key is in her hands")

    async def points_arrive(self, order_id: str) -> None:
        before = await self._resident.get("points")
        if before["normal"]:
            raise RuntimeError("points were granted before the claim window was over")
        await self._machine.forward(timedelta(days=11))

        async def granted() -> dict[str, Any] | None:
            points = await self._resident.get("points")
            return points if points["normal"] else None

        self.told.points = await until(granted, "the order's points to be granted")
        self._note(f"the claim window is over: {self.told.points['normal']} points granted for order {order_id}")

    def _note(self, step: str) -> None:
        self.told.steps.append((self._machine.clock.now(), step))
        print(f"  {self._machine.clock.now().astimezone(JST):%Y-%m-%d %H:%M}  {step}", flush=True)
