"""The schema `points`: what its tables have in common."""

import sqlalchemy as sa
from sqlalchemy.orm import registry

from services.chassis.db import ValidatedTable
from services.chassis.foundation import chassis_tables


class Table(ValidatedTable, registry=registry(metadata=sa.MetaData(schema="points"))):
    pass


requests, outbox, inbox = chassis_tables(Table.metadata)
