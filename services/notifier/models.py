"""The schema `notifier`: what its tables have in common."""

from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import registry

from services.chassis.db import ValidatedTable
from services.chassis.foundation import chassis_tables

Channel = Literal["mail", "sms"]


class Table(ValidatedTable, registry=registry(metadata=sa.MetaData(schema="notifier"))):
    pass


requests, outbox, inbox = chassis_tables(Table.metadata)
