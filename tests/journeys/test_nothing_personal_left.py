"""A marked life is lived through ruum, and then looked for wherever it must not be (OP-03)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from deploy.demo.console import until
from deploy.demo.resident import Means, ProblemError, Resident
from deploy.demo.story import Story
from ruum.rooms.v1 import rooms_pb2
from ruum.rooms.v1.rooms_pb2_grpc import RoomsServiceStub
from ruum.sparekey.v1 import sparekey_pb2
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceStub
from tests.journeys.town import Town
from tests.journeys.traces import Secret, found, traces

pytestmark = pytest.mark.timeout(420)

BUILDING = "B-7731"
ADDRESS = {
    "postal_code": "987-6504",
    "prefecture": "宮城県",
    "city": "登米市",
    "street": "紫陽花町31丁目74番59号",
    "building": "メゾン露草 6807",
}
PERSON = {
    "name": "薬袋 瑠璃子",
    "kana": "ミナイ ルリコ",
    "telephone": "03-7294-6183",
    "birth_date": "1987-11-29",
}
RECIPIENT = {"name": "小鳥遊 蕗", "kana": "タカナシ フキ", "phone": "08067134952"}
PASSWORD = "kingfisher-Quartz-7316-あじさい"
WRONG_PASSWORD = "kingfisher-Wrong-8427"
REMARKS = "玄関の鈴を二回鳴らしてください 5c81e7"
LEASE = "L-MARK-73105826"
NUMBERS = {
    "a number that is none": "ZQ9-KX",
    "the wrong number": "QK0000ZJ",
    "the desk's number": "XW3070QZ",
    "her second wrong number": "KQ0000T9",
}


class Life:
    """One marked person.

    Attributes:
        secrets: what must not be found of them; grows as ruum gives them codes and tokens.
    """

    def __init__(self, town: Town, resident: Resident) -> None:
        self.town = town
        self.resident = resident
        self.mail = f"ruriko.minai.{uuid4().hex[:8]}@mail.example"
        self.secrets = [
            Secret("mail", self.mail),
            Secret("password", PASSWORD),
            Secret("wrong password", WRONG_PASSWORD),
        ]
        self.secrets += [Secret(f"person's {name}", value) for name, value in PERSON.items()]
        self.secrets += [Secret(f"recipient's {name}", value) for name, value in RECIPIENT.items()]
        self.secrets += [Secret("recipient's phone, international", "+818067134952"), Secret("remarks", REMARKS)]
        self.secrets += [
            Secret(f"address's {part}", ADDRESS[part]) for part in ("postal_code", "city", "street", "building")
        ]
        self.secrets += [Secret("lease code", LEASE), *(Secret(name, value) for name, value in NUMBERS.items())]

    def has(self, name: str, value: str, *, short: bool = False) -> None:
        self.secrets.append(Secret(name, value, short))

    async def signs_up(self) -> None:
        sent = await self.resident.post("sign-up/codes", address=self.mail, language="ja")
        code = await self.town.console.code(self.mail, sent["sequence"])
        self.has("sign-up code", code, short=True)
        consents = [{"document": name, "version": "2026-01"} for name in ("terms", "points-terms", "privacy")]
        asked = {"flow_id": sent["flow_id"], "password": PASSWORD, "language": "ja", "consents": consents}
        with suppress(ProblemError):
            await self.resident.post("sign-up", code="000000", **asked)
        self._enters(await self.resident.post("sign-up", code=code, **asked))

    async def signs_in_elsewhere(self) -> None:
        asked = {"address": self.mail, "language": "ja"}
        with suppress(ProblemError):
            await self.resident.post("sessions", password=WRONG_PASSWORD, **asked)
        await self.town.forward(minutes=2)
        sent = (await self.resident.post("sessions", password=PASSWORD, **asked))["code_required"]
        code = await until(self._newest_code, "the code of a new device")
        self.has("code of a new device", code, short=True)
        self._enters(await self.resident.post("sessions/confirm", flow_id=sent["flow_id"], code=code))

    async def _newest_code(self) -> str | None:
        [*_, newest] = await self.town.console.messages(self.mail)
        code = re.search(r"\b\d{6}\b", newest["text"])
        return code[0] if code and "ログイン用" in newest["subject"] else None

    def _enters(self, signed_in: dict[str, Any]) -> None:
        self.has("session", signed_in["session_token"])
        self.has("device", signed_in["device_token"])
        self.resident.enter(signed_in)

    async def moves_in(self) -> str:
        """Returns the room."""
        profile = await self.resident.get("profile")
        await self.resident.call("PATCH", "profile", version=profile["version"], address=ADDRESS, **PERSON)
        building = rooms_pb2.Building(
            building_code=BUILDING, version=1, name="メゾン露草", e_touch=True, contact_phone="022-618-4937"
        )
        for part, value in ADDRESS.items():
            setattr(building.address, part, value)
        lease = rooms_pb2.Lease(
            lease_code=LEASE,
            version=1,
            building_code=BUILDING,
            room_number="6807",
            contractor_name=PERSON["name"],
            contractor_kana=PERSON["kana"],
        )
        lease.starts_on.iso = "2025-04-01"
        asked = rooms_pb2.ImportLeasesRequest(request_id=f"import/{uuid4()}", buildings=[building], leases=[lease])
        await RoomsServiceStub(self.town.contracts.channel("rooms")).ImportLeases(asked)
        pair = await self.town.seed.code_pair(LEASE)
        for name, code in (("code ①", pair.code1), ("code ②", pair.code2)):
            self.has(name, code)
            self.has(f"{name}, in one", code.replace("-", ""))
        with suppress(ProblemError):
            await self.resident.post("rooms/preview", code1=pair.code1, code2=pair.code1)
        await self.resident.post("rooms/preview", link=pair.link)
        return await self.resident.register_room(pair.code1, pair.code2)

    async def orders(self, room_id: str) -> str:
        """A declined card, then one that is good; the wrong number."""
        order_id = await self.resident.draft_key(room_id, "ic", 1, NUMBERS["the wrong number"])
        with suppress(ProblemError):
            await self.resident.post(
                f"spare-keys/drafts/{order_id}/key-number", key_number=NUMBERS["a number that is none"]
            )
        for name, number in (("declined card", "4000000000000002"), ("card", "4242424242424242")):
            token = await self.town.console.card_token(number)
            self.has(f"{name}'s token", token)
            self.has(f"{name}'s number", number)
            await self.resident.choose(order_id, Means("card", token), recipient=RECIPIENT, remarks=REMARKS)
            placed = await self.resident.place(order_id)
        assert placed["outcome"] == "placed", placed
        await self.resident.sees(order_id, "number-asked")
        return order_id

    async def corrects_the_number(self, order_id: str) -> None:
        """She writes another wrong one; then the desk is told the right one by telephone."""
        number = NUMBERS["her second wrong number"]
        await self.resident.post(f"spare-keys/orders/{order_id}/key-number", key_number=number)
        await self.resident.sees(order_id, "number-asked")
        desk = self.town.desk
        asked = sparekey_pb2.DeskEnterKeyNumberRequest(
            request_id=str(uuid4()), order_id=order_id, key_number=NUMBERS["the desk's number"]
        )
        stub = SparekeyServiceStub(desk.channel("sparekey"))
        entered = await stub.DeskEnterKeyNumber(asked, metadata=desk.as_operator("sparekey"))
        await self.town.act(order_id, "accept_key_number", reference=entered.reference)
        await self.resident.sees(order_id, "dispatched")


@pytest.fixture
async def life(town: Town) -> AsyncIterator[Life]:
    resident = Resident(town.stack.table.environment.public_url, town.console)
    yield Life(town, resident)
    await resident.close()


@pytest.mark.rule("OP-03")
async def test_of_a_life_lived_through_nothing_personal_is_left_outside_its_owners_tables(
    town: Town, life: Life
) -> None:
    await life.signs_up()
    await life.signs_in_elsewhere()
    room_id = await life.moves_in()
    order_id = await life.orders(room_id)
    await life.corrects_the_number(order_id)
    story = Story(life.resident, town.console, town.seed, town.machine)
    await story.nobody_home(order_id)
    await story.again_for_935_yen(order_id)
    await story.points_arrive(order_id)

    left = await traces(town)

    ours = Secret("the order", order_id)
    assert {place.split()[0] for place in left if found([ours], {place: left[place]})} >= {
        *("history", "description", "page", "event", "table", "file")
    }
    assert found(life.secrets, left) == []
