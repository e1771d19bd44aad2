"""Profiles: read by their member, edited against a version, copied into orders and messages (ID-20)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.caller import Caller
from services.chassis.errors import Changed, InvalidField, NotFound, Violation
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.jst import jst_date
from services.identity.addresses.models import telephone
from services.identity.journal import domain as journal
from services.identity.models import Language
from services.identity.profiles import repository

_KATAKANA = re.compile(r"[ァ-ヺー・ ]*")
_POSTAL_CODE = re.compile(r"[0-9]{7}")
_TO_KATAKANA = {code: code + ord("ァ") - ord("ぁ") for code in range(ord("ぁ"), ord("ゖ") + 1)}
_FIRST_BIRTH_DATE = date(1900, 1, 1)
_LONGEST = 100


class PostalAddress(BaseModel):
    """A postal address in Japan; all empty where none is known."""

    model_config = ConfigDict(frozen=True)

    postal_code: str = ""
    prefecture: str = ""
    city: str = ""
    street: str = ""
    building: str = ""


class ProfileView(PostalAddress):
    """All of a profile.

    Attributes:
        email: proved; empty where there is none.
        phone: a proved mobile number as E.164; empty where there is none.
        telephone: the number to call that the member states; else the proved one.
    """

    member_id: str
    version: int
    language: Language
    name: str
    kana: str
    birth_date: date | None
    telephone: str
    email: str
    phone: str

    @property
    def address(self) -> PostalAddress | None:
        """None while none is known."""
        return self if self.street else None


class UpdateProfile(Command):
    """An edit: None leaves a field as it is, an empty value clears it.

    Attributes:
        version: the one that was edited.
    """

    version: int
    name: str | None = Field(default=None, repr=False)
    kana: str | None = Field(default=None, repr=False)
    birth_date: str | None = Field(default=None, repr=False)
    telephone: str | None = Field(default=None, repr=False)
    language: Language | None = None
    address: PostalAddress | None = Field(default=None, repr=False)


class Profiles(Verbs):
    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    async def own(self, caller: Caller) -> ProfileView:
        return await self.of(caller.name)

    async def of(self, member_id: str) -> ProfileView:
        """A member's data for whoever copies them into an order or writes to them (SK-24, OP-11).

        Raises:
            NotFound
        """
        async with self.commands.database.reading() as session:
            return await _view(session, member_id)

    @command
    async def update(self, work: Work, asked: UpdateProfile) -> ProfileView:
        """Edits the caller's profile.

        Raises:
            InvalidField: with each field that is wrong (PR-12).
            Changed: it was edited meanwhile.
        """
        changes = _Reading(asked, work.now).changes()
        if not await repository.edit(work.tx, work.caller.name, asked.version, changes):
            raise Changed
        await journal.note(work, "profile-changed", work.caller.name, work.caller.session)
        return await _view(work.tx, work.caller.name)


async def _view(session: AsyncSession, member_id: str) -> ProfileView:
    found = await repository.find(session, member_id)
    if found is None:
        raise NotFound(field="member_id")
    return ProfileView.model_validate({**found, "telephone": found["telephone"] or found["phone"]})


class _Reading:
    """Reads the fields of an edit, and collects what is wrong with them."""

    def __init__(self, asked: UpdateProfile, now: datetime) -> None:
        self._asked = asked
        self._today = jst_date(now)
        self._wrong: list[Violation] = []

    def changes(self) -> Mapping[str, Any]:
        """The columns to set.

        Raises:
            InvalidField
        """
        readers: Mapping[str, Callable[[str], Any]] = {
            "language": str,
            "name": partial(self._plain, "name"),
            "kana": self._kana,
            "telephone": self._telephone,
            "birth_date": self._birth_date,
        }
        stated = ((field, getattr(self._asked, field)) for field in readers)
        changes = {field: readers[field](written) for field, written in stated if written is not None}
        if self._asked.address is not None:
            changes |= self._address(self._asked.address)
        if self._wrong:
            raise InvalidField(violations=self._wrong)
        return changes

    def _plain(self, field: str, written: str) -> str:
        written = written.strip()
        if any(unicodedata.category(character).startswith("C") for character in written):
            self._wrong.append(Violation(field, "field-unprintable", {}))
        if len(written) > _LONGEST:
            self._wrong.append(Violation(field, "field-string-max-len", {}))
        return written

    def _kana(self, written: str) -> str:
        kana = unicodedata.normalize("NFKC", written).strip().translate(_TO_KATAKANA)
        if not _KATAKANA.fullmatch(kana):
            self._wrong.append(Violation("kana", "kana-not-katakana", {}))
        return kana

    def _telephone(self, written: str) -> str:
        number = telephone(written) if written.strip() else ""
        if number is None:
            self._wrong.append(Violation("telephone", "telephone-malformed", {}))
        return number or ""

    def _birth_date(self, written: str) -> date | None:
        if not written:
            return None
        try:
            day = date.fromisoformat(written)
        except ValueError:
            day = date.max
        if not _FIRST_BIRTH_DATE <= day <= self._today:
            self._wrong.append(Violation("birth_date", "birth-date-impossible", {}))
        return day

    def _address(self, written: PostalAddress) -> Mapping[str, str]:
        parts = {part: self._plain(f"address.{part}", value) for part, value in written.model_dump().items()}
        if not any(parts.values()):
            return parts
        parts["postal_code"] = unicodedata.normalize("NFKC", parts["postal_code"]).replace("-", "")
        if not _POSTAL_CODE.fullmatch(parts["postal_code"]):
            self._wrong.append(Violation("address.postal_code", "postal-code-malformed", {}))
        for part in ("prefecture", "city", "street"):
            if not parts[part]:
                self._wrong.append(Violation(f"address.{part}", "field-required", {}))
        return parts
