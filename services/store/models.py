"""The schema `store`: what its tables have in common, and the words that all aggregates share."""

from typing import Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import registry

from services.chassis.db import ValidatedTable
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

    ja: str = ""
    en: str = ""
    zh_hans: str = ""

    @property
    def complete(self) -> bool:
        return all((self.ja, self.en, self.zh_hans))


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
    address: Address = Address()


class Recipient(View):
    """Whom registered mail is handed to (SK-24)."""

    name: str = ""
    kana: str = ""
    phone: str = ""


class ChangedCount(View):
    """How many of the things that were put are not as they were."""

    changed: int
