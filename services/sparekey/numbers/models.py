"""Key numbers: how they are read, shown, and kept (SK-10…SK-12)."""

import re
from dataclasses import dataclass
from typing import Literal, Self

import sqlalchemy as sa
from pydantic import AwareDatetime

from services.chassis.columns import instant, text
from services.chassis.errors import Kind, RuumError, Violation
from services.chassis.sealing import Sealed
from services.sparekey.models import Table

LENGTH = 8
FIELD = "key_number"
# Not NFKC, which would take circled and superscript digits for digits.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# Not str.upper, which makes an I of a dotless i and SS of a sharp s.
_UPPER = {code: code - 0x20 for code in range(ord("a"), ord("z") + 1)}
_BETWEEN = re.compile(r"[\s\u2010-\u2015\u2212-]")
_CHARACTERS = re.compile(r"[0-9A-Z]*")
_LOOK_ALIKE = frozenset("VW68")

Source = Literal["member", "maker", "desk"]


class KeyNumberMalformed(RuumError):
    """What was entered is no key number (SK-10); the violation names the field and the rule."""

    kind = Kind.INVALID
    code = "key-number-malformed"


@dataclass(frozen=True, repr=False)
class KeyNumber:
    """Eight letters or digits, engraved on the blue key. A secret: its text is asked for by name only (SK-12)."""

    plain: str

    @classmethod
    def read(cls, typed: str) -> Self:
        """The number that somebody typed, narrowed, upper-cased, without spaces and hyphens, O read as 0 (SK-10).

        Raises:
            KeyNumberMalformed: too short, too long, or with other characters.
        """
        narrow = _BETWEEN.sub("", typed.translate(_HALF_WIDTH)).translate(_UPPER).replace("O", "0")
        if not _CHARACTERS.fullmatch(narrow):
            raise KeyNumberMalformed(field=FIELD, violations=[Violation(FIELD, "key-number-characters", {})])
        if len(narrow) != LENGTH:
            raise KeyNumberMalformed(field=FIELD, violations=[Violation(FIELD, "key-number-length", {})])
        return cls(narrow)

    @property
    def look_alikes(self) -> tuple[int, ...]:
        """Positions, from 1, of characters that are easily mistaken: V and W, 6 and 8 (SK-11)."""
        return tuple(place for place, character in enumerate(self.plain, 1) if character in _LOOK_ALIKE)

    @property
    def grouped(self) -> str:
        """To be read back: in two groups of four (SK-11)."""
        return f"{self.plain[:4]} {self.plain[4:]}"

    @property
    def masked(self) -> str:
        return f"{'•' * (LENGTH - 2)}{self.plain[-2:]}"

    def __repr__(self) -> str:
        return "KeyNumber(••••••••)"


ERASED = "•" * LENGTH
"""What is shown of an erased number."""


class SealedNumber(Table, table=True):
    """A key number at rest, under a key of its own and for its order only; erased, its row stays (SK-12)."""

    __tablename__ = "numbers"
    __table_args__ = (
        sa.CheckConstraint("source in ('member', 'maker', 'desk')", name="numbers_source"),
        sa.CheckConstraint(
            "num_nonnulls(key_id, wrapped_key, nonce, ciphertext) = case when erased_at is null then 4 else 0 end",
            name="numbers_whole_or_erased",
        ),
        sa.Index("numbers_order", "order_id"),
        sa.Index("numbers_living", "key_id", postgresql_where=sa.text("erased_at is null")),
    )

    number_id: str = text(primary_key=True)
    order_id: str = text(foreign_key="sparekey.cases.order_id", ondelete="CASCADE")
    source: Source = text()
    entered_at: AwareDatetime = instant()
    key_id: str | None = text(default=None)
    wrapped_key: bytes | None = None
    nonce: bytes | None = None
    ciphertext: bytes | None = None
    erased_at: AwareDatetime | None = instant(default=None)

    @property
    def sealed(self) -> Sealed | None:
        """Nothing once it is erased."""
        if self.key_id is None or self.wrapped_key is None or self.nonce is None or self.ciphertext is None:
            return None
        return Sealed(self.key_id, self.wrapped_key, self.nonce, self.ciphertext)
