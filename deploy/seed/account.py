"""What `ruum up` gives a person to begin with: an account with a room and a key in its cart (OP-20)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid4

import httpx

from deploy.demo.console import Console
from deploy.demo.resident import Means, ProblemError, Resident
from deploy.demo.run import Demo
from deploy.demo.story import VISA
from deploy.local.stack import Stack
from deploy.seed.people import Building, Person
from deploy.seed.settle import NUMBER, PASSWORD, Settlers
from services.chassis.errors import RuumError

HOME = Building(
    "DEMO-B0001",
    "コーポひばり",
    {"postal_code": "180-0012", "prefecture": "東京都", "city": "武蔵野市", "street": "緑町1丁目2番3号"},
    e_touch=True,
)
RESIDENT = Person(
    mail="resident@mail.example",
    name="見本 太郎",
    kana="ミホン タロウ",
    phone="09012340000",
    language="ja",
    building=HOME,
    room_number="101",
    lease_code="DEMO-L00001",
    corporate=False,
    means="card",
    points=500,
    ending="in-cart",
)


async def prepare(stack: Stack) -> Iterable[str]:
    """Seeds a fresh stack and finds or makes the account; answers what is to be printed."""
    demo, url = Demo(stack), stack.table.environment.public_url
    try:
        await demo.seed.plant()
        pair = await demo.seed.code_pair("L-20001")
        return [await _ready(demo, url), f"  room to register  203, with the codes {pair.code1} and {pair.code2}"]
    finally:
        await demo.close()


async def _ready(demo: Demo, url: str) -> str:
    """The account in words; why there is none, where its owner has left it in another state: the stack stays up."""
    resident = Resident(url, demo.console, RESIDENT.language)
    try:
        await demo.seed.state("demo", [HOME.stated()], [RESIDENT.lease()])
        await resident.come_in(RESIDENT.mail, PASSWORD)
        room_id = await Settlers(url, demo.console, demo.seed).move_in(resident, RESIDENT)
        order_id = await _cart(resident, room_id, demo.console)
    except (ProblemError, RuumError, TimeoutError, httpx.TransportError) as refused:
        return f"  demo account      {RESIDENT.mail} is not ready: {refused}"
    finally:
        await resident.close()
    where = f"room {HOME.name} {RESIDENT.room_number}, key in the cart {order_id}"
    return f"  demo account      {RESIDENT.mail}, password “{PASSWORD}”: {where}"


async def _cart(resident: Resident, room_id: str, console: Console) -> str:
    """The key in the cart, as its owner left it; a new one once it was ordered or dropped."""
    ordered = len((await resident.get("spare-keys/orders"))["orders"])
    try:
        order_id = await resident.draft_key(room_id, "normal", 1, NUMBER, key=f"demo-cart-{ordered}")
        checkout = await resident.get(f"checkouts/{order_id}")
    except ProblemError:
        order_id = await resident.draft_key(room_id, "normal", 1, NUMBER, key=str(uuid4()))
        checkout = await resident.get(f"checkouts/{order_id}")
    if checkout["means"] is None:
        recipient = {"name": RESIDENT.name, "kana": RESIDENT.kana, "phone": RESIDENT.phone}
        await resident.choose(order_id, Means("card", await console.card_token(VISA)), recipient=recipient)
    return order_id
