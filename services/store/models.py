"""The schema `store`: what its tables have in common, and the words that all aggregates share."""

import base64
import binascii
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import registry

from services.chassis.db import ValidatedTable
from services.chassis.errors import InvalidField, Violation
from services.chassis.foundation import chassis_tables

Means = Literal["card", "deferred", "epos", "none"]
"""How an order is paid; `none` where nothing is left to pay (ST-11)."""


class Table(ValidatedTable, registry=registry(metadata=sa.MetaData(schema="store"))):
    pass


requests, outbox, inbox = chassis_tables(Table.metadata)


class View(BaseModel):
    """Parent of what is answered and of what commands carry; immutable."""

    model_config = ConfigDict(frozen=True)


class LocalText(View):
    """One text in the three languages of the product."""

    ja: str
    en: str
    zh_hans: str


class Address(View):
    """A postal address in Japan."""

    postal_code: str = ""
    prefecture: str = ""
    city: str = ""
    street: str = ""
    building: str = ""


class Orderer(View):
    """The orderer's own data, copied into an order (SK-24)."""

    name: str
    kana: str
    phone: str
    email: str
    address: Address


class Recipient(View):
    """Whom registered mail is handed to (SK-24)."""

    name: str = ""
    kana: str = ""
    phone: str = ""


class Page(View):
    """One page of a list (PR-16)."""

    cursor: str = ""
    size: int = 0

    @property
    def limit(self) -> int:
        return self.size or 20

    @property
    def after(self) -> str:
        """The key that the page before ended with; empty for the first page.

        Raises:
            InvalidField: the cursor is none of ours.
        """
        try:
            return base64.b64decode(self.cursor.encode(), altchars=b"-_", validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidField(violations=[Violation("page.cursor", "field-invalid", {})]) from None

    @property
    def after_instant(self) -> tuple[datetime, str]:
        """The instant and the id that the page before ended with.

        Raises:
            InvalidField: the cursor is none of ours.
        """
        instant, _, key = self.after.partition(" ")
        try:
            return datetime.fromisoformat(instant), key
        except ValueError:
            raise InvalidField(violations=[Violation("page.cursor", "field-invalid", {})]) from None


def cursor(key: str) -> str:
    """Where the next page goes on; opaque to its reader."""
    return base64.urlsafe_b64encode(key.encode()).decode()
