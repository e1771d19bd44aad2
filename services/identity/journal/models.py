"""What happened to an account's security (ID-26)."""

from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import CheckConstraint, Index

from services.chassis.columns import instant, is_one_of, text
from services.identity.models import Table

Happening = Literal[
    "signed-up",
    "signed-in",
    "signed-in-on-new-device",
    "password-wrong",
    "code-wrong",
    "signed-out",
    "session-ended",
    "profile-changed",
    "consents-given",
]


class Entry(Table, table=True):
    """One line; never changed.

    Attributes:
        member_id: nobody's where an address was tried that has no account: the same is written then (ID-06).
        session_id: the session that began, acted or ended; empty where there was none.
    """

    __tablename__ = "security_log"
    __table_args__ = (
        CheckConstraint(is_one_of("happening", get_args(Happening)), "security_log_happening"),
        Index("security_log_of_member", "member_id", "id"),
    )

    id: str = text(primary_key=True)
    member_id: str | None = text(default=None)
    happening: Happening = text()
    session_id: str = text(default="")
    at: datetime = instant()
