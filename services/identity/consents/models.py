"""What members agreed to (ID-23)."""

from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import CheckConstraint, UniqueConstraint

from services.chassis.columns import instant, is_one_of, text
from services.identity.models import Table

Document = Literal["terms", "points-terms", "privacy"]
DOCUMENTS: tuple[Document, ...] = get_args(Document)


class Consent(Table, table=True):
    """That a member agreed to a version of a document, and when for the first time."""

    __tablename__ = "consents"
    __table_args__ = (
        CheckConstraint(is_one_of("document", DOCUMENTS), "consents_document"),
        UniqueConstraint("member_id", "document", "version", name="consents_once"),
    )

    id: str = text(primary_key=True)
    member_id: str = text(foreign_key="identity.members.id")
    document: Document = text()
    version: str = text()
    given_at: datetime = instant()
