"""The schema `identity`: what its tables have in common."""

from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import registry

from services.chassis.db import ValidatedTable
from services.chassis.foundation import chassis_tables

Language = Literal["ja", "en", "zh_Hans"]
Channel = Literal["email", "sms"]


class Table(ValidatedTable, registry=registry(metadata=sa.MetaData(schema="identity"))):
    pass


requests, outbox, inbox = chassis_tables(Table.metadata)
