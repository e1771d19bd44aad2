"""Code pairs: two codes on a lease that let its contractor register the room (RM-03)."""

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlmodel import Field

from services.chassis.columns import instant, text
from services.rooms.models import Table

# Without 0 O D Q, 1 I L, Z (2), S (5), 6 G, B (8), U V (W, Y): what is left is told apart in any print.
ALPHABET = "2345789ACEFHJKMNPRTWXY"
LENGTH = 8
# 22^8 = 5.5e10 codes each. Who has read code ① has 10 wrong tries an hour at code ②: 87,600 a year, a chance of
# 1.6e-6. Who has nothing must hit both: with 1.2 million leases a try succeeds with 1.2e6 / 22^16 = 4e-16; a
# thousand members with a client each make 8.8e7 tries a year, a chance of 3.5e-8.


@dataclass(frozen=True)
class CodePair:
    """Code ①, which finds the lease, and code ②, which proves that one holds it."""

    code1: str
    code2: str

    @classmethod
    def fresh(cls) -> Self:
        return cls(_code(), _code())


def grouped(code: str) -> str:
    """A code as it is printed: ABCD-EFGH."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def _code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


class IssuedCodes(Table, table=True):
    """A pair as it is kept: keyed digests, of which one finds the row and the other is compared (RM-03)."""

    __tablename__ = "issued_codes"
    __table_args__ = (
        sa.Index("issued_codes_live", "lease_id", unique=True, postgresql_where=sa.text("died_at is null")),
    )

    digest1: str = text(primary_key=True)
    digest2: str = text()
    lease_id: str = text(foreign_key="rooms.leases.id")
    issued_at: AwareDatetime = instant()
    died_at: AwareDatetime | None = instant(default=None)


class Scope(StrEnum):
    """By what wrong codes are counted."""

    MEMBER = "member"
    CLIENT = "client"
    CODE1 = "code1"


class WrongCodes(Table, table=True):
    """How many wrong codes came from somebody, or for a code ①, in the window that ends at `until`."""

    __tablename__ = "wrong_codes"
    __table_args__ = (sa.Index("wrong_codes_until", "until"),)

    scope: Scope = text(primary_key=True)
    digest: str = text(primary_key=True)
    count: int = Field(ge=0)
    until: AwareDatetime = instant()
