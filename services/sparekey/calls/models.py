"""What the key maker is asked, and what became of it (SK-51)."""

from datetime import datetime
from enum import StrEnum
from typing import Self

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlmodel import Field

from services.chassis.columns import instant, text
from services.sparekey.models import Table


class Verb(StrEnum):
    """What can be asked of the maker."""

    CHECK = "check"
    ORDER = "order"
    REMAKE = "remake"
    RELEASE = "release"
    REDELIVER = "redeliver"
    STOP = "stop"


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    """No longer to be asked: what it was for has changed."""


_VERBS = ", ".join(f"'{verb}'" for verb in Verb)


class Call(Table, table=True):
    """One thing that the maker is to do: written before it is asked, settled when it has answered.

    Attributes:
        key: under which the maker does it once.
        ordinal: the version of the case that decided it; of a check, its round.
        number_id: the number that is to be looked up.
        tries: how often it was asked without a clear answer.
        tried_at: when it was last asked so.
        problem: the code of the last failure.
        goes_to: the mark of the address that the maker is, or may have been, told to let a key go to.
        asking_until: somebody asks it right now; the maker is asked one thing of an order at a time.
    """

    __tablename__ = "calls"
    __table_args__ = (
        sa.CheckConstraint(f"verb in ({_VERBS})", name="calls_verb"),
        sa.CheckConstraint("(settled_at is null) = (outcome = '')", name="calls_settled"),
        sa.UniqueConstraint("order_id", "verb", "ordinal", name="calls_once"),
        sa.Index("calls_open", "opened_at", postgresql_where=sa.text("settled_at is null")),
    )

    key: str = text(primary_key=True)
    order_id: str = text(foreign_key="sparekey.cases.order_id")
    verb: Verb = text()
    ordinal: int = Field(sa_type=sa.BigInteger)
    number_id: str | None = text(default=None)
    opened_at: AwareDatetime = instant()
    tries: int = 0
    tried_at: AwareDatetime | None = instant(default=None)
    problem: str = text(default="")
    goes_to: str = text(default="")
    asking_until: AwareDatetime | None = instant(default=None)
    settled_at: AwareDatetime | None = instant(default=None)
    outcome: str = text(default="")

    @classmethod
    def to_be_made(cls, order_id: str, verb: Verb, ordinal: int, now: datetime, number_id: str | None = None) -> Self:
        """A new one, under the key by which it is made once."""
        key = f"{order_id}/{verb}/{ordinal}"
        return cls.make(key=key, order_id=order_id, verb=verb, ordinal=ordinal, number_id=number_id, opened_at=now)
