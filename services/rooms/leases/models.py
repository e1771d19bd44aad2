"""Buildings, their rooms, and the leases of the rooms, as the contract master states them (RM-01)."""

import re
import unicodedata
from datetime import date

import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlmodel import Field

from services.chassis.columns import instant, text
from services.rooms.models import Table

_BETWEEN_NAMES = re.compile(r"[\s・･＝]+")
_COMPANY_FORM = re.compile(
    r"(?:株式|有限|合同|合資|合名)会社|(?:一般|公益)(?:社団|財団)法人|(?:医療|学校|社会福祉|宗教)法人|[（(][株有][）)]"
)
_MASK = "＊"
_POSTAL_CODE = re.compile(r"[0-9]{3}-?[0-9]{4}")


class Address(BaseModel):
    """Where a building stands; where a room is, once `building` holds the building's name and the room's number."""

    model_config = ConfigDict(frozen=True)

    postal_code: str
    prefecture: str
    city: str
    street: str
    building: str = ""

    @property
    def complete(self) -> bool:
        """Whether something can be sent there (SK-05)."""
        return bool(_POSTAL_CODE.fullmatch(self.postal_code) and self.prefecture and self.city and self.street)


class Building(Table, table=True):
    __tablename__ = "buildings"
    __table_args__ = (
        sa.UniqueConstraint("code", name="buildings_code"),
        sa.CheckConstraint("version > 0", name="buildings_version"),
    )

    id: str = text(primary_key=True)
    code: str = text(min_length=1)
    version: int = Field(sa_type=sa.BigInteger, gt=0)
    name: str = text(min_length=1)
    postal_code: str = text(min_length=1)
    prefecture: str = text(min_length=1)
    city: str = text(min_length=1)
    street: str = text(min_length=1)
    e_touch: bool
    """Whether the entrance has the maker's reader (SK-04)."""
    contact_phone: str = text()


class Room(Table, table=True):
    __tablename__ = "rooms"
    __table_args__ = (sa.UniqueConstraint("building_id", "number", name="rooms_number"),)

    id: str = text(primary_key=True)
    building_id: str = text(foreign_key="rooms.buildings.id")
    number: str = text(min_length=1)


class Lease(Table, table=True):
    """A lease at its newest version. It is over after `ends_on`; one that was called off ends before it starts."""

    __tablename__ = "leases"
    __table_args__ = (
        sa.UniqueConstraint("code", name="leases_code"),
        sa.Index("leases_of_room", "room_id"),
        sa.CheckConstraint("version > 0", name="leases_version"),
    )

    id: str = text(primary_key=True)
    code: str = text(min_length=1)
    room_id: str = text(foreign_key="rooms.rooms.id")
    version: int = Field(sa_type=sa.BigInteger, gt=0)
    corporate: bool
    contractor_name: str = text(min_length=1)
    contractor_kana: str = text()
    starts_on: date
    ends_on: date | None = None


class LeaseVersion(Table, table=True):
    """What was known of a lease from an instant on; rows are only ever added (RM-23)."""

    __tablename__ = "lease_versions"
    __table_args__ = (sa.Index("lease_versions_of_room", "room_id"),)

    lease_id: str = text(primary_key=True, foreign_key="rooms.leases.id")
    version: int = Field(sa_type=sa.BigInteger, primary_key=True)
    room_id: str = text(foreign_key="rooms.rooms.id")
    corporate: bool
    starts_on: date
    ends_on: date | None
    known_from: AwareDatetime = instant()


def initials(name: str, *, corporate: bool) -> str:
    """A contractor's name masked so that who knows it recognises it and nobody learns it (RM-02).

    山田 太郎 becomes 山＊ 太＊, Taro Yamada T. Y., 株式会社サンプル 株式会社サ＊; how long a name is stays unknown.
    """
    composed = unicodedata.normalize("NFC", name).strip()
    form = _COMPANY_FORM.search(composed) if corporate else None
    if form is None:
        return _masked(composed)
    before, after = composed[: form.start()], composed[form.end() :]
    return "".join((_masked(before), form[0], _masked(after)))


def _masked(name: str) -> str:
    return " ".join(_initial(part) for part in _BETWEEN_NAMES.split(name) if part)


def _initial(part: str) -> str:
    latin = unicodedata.name(part[0], "").startswith(("LATIN", "FULLWIDTH LATIN"))
    return f"{part[0].upper()}." if latin else f"{part[0]}{_MASK}"
