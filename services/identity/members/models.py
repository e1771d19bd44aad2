"""Members and the addresses that are proved to be theirs."""

from datetime import datetime
from typing import get_args

from sqlalchemy import CheckConstraint, UniqueConstraint

from services.chassis.columns import instant, is_one_of, text
from services.identity.models import Channel, Table


class Member(Table, table=True):
    """The holder of one account."""

    __tablename__ = "members"
    __table_args__ = (CheckConstraint("starts_with(password_hash, '$argon2id$')", "members_password_hash"),)

    id: str = text(primary_key=True)
    password_hash: str = text(repr=False)
    signed_up_at: datetime = instant()


class ProvedAddress(Table, table=True):
    """An address that a code proved to be its member's: at most one of each kind, and nobody else's."""

    __tablename__ = "addresses"
    __table_args__ = (
        CheckConstraint(is_one_of("channel", get_args(Channel)), "addresses_channel"),
        UniqueConstraint("member_id", "channel", name="addresses_one_of_each"),
    )

    address: str = text(primary_key=True)
    channel: Channel = text()
    member_id: str = text(foreign_key="identity.members.id")
    proved_at: datetime = instant()
