"""Partners' messages that were taken; a repeat is known by the partner's own event id (QA-06)."""

from datetime import datetime

from services.chassis.columns import instant, text
from services.store.models import Table


class TakenWebhook(Table, table=True):
    __tablename__ = "taken_webhooks"

    partner: str = text(primary_key=True)
    event_id: str = text(primary_key=True)
    kind: str = text()
    taken_at: datetime = instant()
