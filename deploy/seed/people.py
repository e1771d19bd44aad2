"""Who lives in the town: the same people for the same number, the first of them however many there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

Ending = Literal["resident", "in-cart", "number-asked", "dispatched", "absent", "returned", "handed-over"]
ENDINGS: tuple[Ending, ...] = (
    "handed-over",
    "number-asked",
    "dispatched",
    "in-cart",
    "absent",
    "resident",
    "returned",
)

_ROOMS = ("101", "102", "201", "202", "301")
_STYLES = ("メゾン", "グリーンハイツ", "コーポ", "パークサイド", "ヴィラ")
_PLACES = (
    ("180-0012", "東京都", "武蔵野市", "緑町"),
    ("330-0001", "埼玉県", "さいたま市", "桜橋"),
    ("560-0001", "大阪府", "豊中市", "青葉"),
    ("810-0001", "福岡県", "福岡市", "浜町"),
    ("980-0001", "宮城県", "仙台市", "若葉"),
)
_PEOPLE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ja": (
        ("佐藤 美咲", "サトウ ミサキ"),
        ("鈴木 健太", "スズキ ケンタ"),
        ("高橋 葵", "タカハシ アオイ"),
        ("田中 大輔", "タナカ ダイスケ"),
        ("伊藤 さくら", "イトウ サクラ"),
        ("渡辺 翔太", "ワタナベ ショウタ"),
    ),
    "en": (("Emma Brown", "エマ ブラウン"), ("Liam Carter", "リアム カーター")),
    "zh_Hans": (("王 芳", "ワン ファン"), ("李 伟", "リー ウェイ")),
}


@dataclass(frozen=True)
class Building:
    """A building with five rooms."""

    code: str
    name: str
    address: Mapping[str, str]
    e_touch: bool

    @classmethod
    def of(cls, seed: int, number: int) -> Building:
        random = Random(f"{seed}/building/{number}")  # noqa: S311  # the same again is what it is for
        postal_code, prefecture, city, town = random.choice(_PLACES)
        name = f"{random.choice(_STYLES)}{town}{number + 1}"
        street = f"{town}{random.randint(1, 9)}丁目{random.randint(1, 30)}番{random.randint(1, 20)}号"
        address = {"postal_code": postal_code, "prefecture": prefecture, "city": city, "street": street}
        return cls(f"S{seed}-B{number + 1:04d}", name, address, e_touch=random.random() < 0.5)  # noqa: PLR2004  # half

    def stated(self) -> Mapping[str, Any]:
        """As the contract master has it."""
        return {
            "building_code": self.code,
            "version": "1",
            "name": self.name,
            "address": dict(self.address),
            "e_touch": self.e_touch,
            "contact_phone": "03-0000-0000",
        }


@dataclass(frozen=True)
class Person:
    """One household: who lives where, and how far their order of a key has come."""

    mail: str
    name: str
    kana: str
    phone: str
    language: str
    building: Building
    room_number: str
    lease_code: str
    corporate: bool
    means: Literal["card", "deferred"]
    points: int
    ending: Ending

    @classmethod
    def of(cls, seed: int, number: int) -> Person:
        random = Random(f"{seed}/person/{number}")  # noqa: S311  # as above
        language = random.choices(tuple(_PEOPLE), (7, 2, 2))[0]
        name, kana = random.choice(_PEOPLE[language])
        return cls(
            mail=f"resident{number + 1:04d}.s{seed}@mail.example",
            name=name,
            kana=kana,
            phone=f"0901234{number % 10_000:04d}",
            language=language,
            building=Building.of(seed, number // len(_ROOMS)),
            room_number=_ROOMS[number % len(_ROOMS)],
            lease_code=f"S{seed}-L{number + 1:05d}",
            corporate=random.random() < 0.1,  # noqa: PLR2004  # one in ten
            means="deferred" if random.random() < 0.25 else "card",  # noqa: PLR2004  # one in four
            points=random.choice((0, 100, 300, 500)),
            ending=ENDINGS[number % len(ENDINGS)],
        )

    @property
    def home(self) -> Mapping[str, str]:
        return {**self.building.address, "building": f"{self.building.name} {self.room_number}"}

    def lease(self) -> Mapping[str, Any]:
        """As the contract master has it."""
        return {
            "lease_code": self.lease_code,
            "version": "1",
            "building_code": self.building.code,
            "room_number": self.room_number,
            "corporate": self.corporate,
            "contractor_name": f"株式会社{self.building.name}商事" if self.corporate else self.name,
            "contractor_kana": self.kana,
            "starts_on": {"iso": "2025-04-01"},
        }


def people(seed: int, size: int) -> list[Person]:
    """So many households."""
    return [Person.of(seed, number) for number in range(size)]
