"""Sessions and devices; of their tokens only digests are kept (ID-14)."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index

from services.chassis.columns import instant, text
from services.identity.models import Table


class Device(Table, table=True):
    """A browser or an app in which a member has signed in with a code."""

    __tablename__ = "devices"

    id: str = text(primary_key=True)
    member_id: str = text(foreign_key="identity.members.id", index=True)
    token_digest: str = text(unique=True)
    seen_at: datetime = instant()


class Session(Table, table=True):
    """From a sign-in to a sign-out, or to the end of its time.

    Attributes:
        seen_at: its last use, a few minutes coarse.
        idle_until: it ends then unless it is used before.
        absolute_until: it ends then, used or not.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("idle_until <= absolute_until", "sessions_bounded"),
        Index("sessions_of_member", "member_id", "id"),
    )

    id: str = text(primary_key=True)
    member_id: str = text(foreign_key="identity.members.id")
    device_id: str = text(foreign_key="identity.devices.id")
    token_digest: str = text(unique=True)
    started_at: datetime = instant()
    seen_at: datetime = instant()
    idle_until: datetime = instant()
    absolute_until: datetime = instant()
    ended_at: datetime | None = instant(default=None)

    def is_alive(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.idle_until
