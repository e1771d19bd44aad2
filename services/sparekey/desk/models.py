"""What operators do: numbers entered at the desk, approvals, and the audit of every action (OP-02, SK-50)."""

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlmodel import Field

from services.chassis.columns import instant, record, text
from services.sparekey.models import Table


class DeskReference(Table, table=True):
    """Stands for a key number entered at the desk, once and for a day, for its order only (SK-14)."""

    __tablename__ = "desk_references"

    reference: str = text(primary_key=True)
    order_id: str = text(foreign_key="sparekey.cases.order_id")
    number_id: str = text(foreign_key="sparekey.numbers.number_id")
    operator: str = text()
    expires_at: AwareDatetime = instant()
    used_at: AwareDatetime | None = instant(default=None)


class Approval(Table, table=True):
    """The first of two operators who approve one action on one version of a case (SK-50)."""

    __tablename__ = "approvals"

    order_id: str = text(primary_key=True, foreign_key="sparekey.cases.order_id")
    action: str = text(primary_key=True)
    operator: str = text()
    case_version: int = Field(sa_type=sa.BigInteger)
    approved_at: AwareDatetime = instant()


class Audit(Table, table=True):
    """An operator's action; only ever added, and kept when the order was a draft that is dropped (OP-02)."""

    __tablename__ = "audits"
    __table_args__ = (sa.Index("audits_order", "order_id"),)

    position: int | None = Field(
        default=None, sa_column=sa.Column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    )
    order_id: str = text()
    operator: str = text()
    action: str = text()
    reason: str = text()
    arguments: dict[str, str] = record(default_factory=dict)
    case_version: int = Field(sa_type=sa.BigInteger)
    acted_at: AwareDatetime = instant()
