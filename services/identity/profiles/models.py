"""What members say about themselves (ID-20)."""

from datetime import date
from typing import get_args

from sqlalchemy import CheckConstraint

from services.chassis.columns import is_one_of, text
from services.identity.models import Language, Table


class Profile(Table, table=True):
    """Empty until its member fills it in, except for the language.

    Attributes:
        version: counts the edits.
        kana: the reading of the name, in katakana.
        telephone: where to call; any Japanese number as E.164, which no code has proved.
    """

    __tablename__ = "profiles"
    __table_args__ = (
        CheckConstraint(is_one_of("language", get_args(Language)), "profiles_language"),
        CheckConstraint("version >= 1", "profiles_version"),
    )

    member_id: str = text(primary_key=True, foreign_key="identity.members.id")
    version: int = 1
    language: Language = text()
    name: str = text(default="")
    kana: str = text(default="")
    birth_date: date | None = None
    telephone: str = text(default="")
    postal_code: str = text(default="")
    prefecture: str = text(default="")
    city: str = text(default="")
    street: str = text(default="")
    building: str = text(default="")
