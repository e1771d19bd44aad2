"""How much of a cap is used up."""

from datetime import datetime

from services.chassis.columns import instant, text
from services.identity.models import Table


class Throttle(Table, table=True):
    """A cap that is in use, by one instant.

    Each try moves the instant on by one step of the cap; it may be ahead of now by the cap's window, not by more.

    Attributes:
        key: what is counted, as a digest: `send/address/…`.
        forgotten_at: when the tries counted so far no longer count.
    """

    __tablename__ = "throttles"

    key: str = text(primary_key=True)
    forgotten_at: datetime = instant(index=True)
