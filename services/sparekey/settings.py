"""Settings of the spare-key service: its choices (periods, charges, limits), its partners and its neighbours."""

from datetime import timedelta

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from services.chassis import settings
from services.chassis.foundation import ContextSettings
from services.chassis.settings import CalendarSettings, SealingSettings, TemporalSettings

_SHORTEST_MONTH = 28


class Rules(settings.Settings):
    """The choices of the service; all have defaults."""

    notices_text: str = Field(default="2026-12-01", min_length=1, max_length=16)
    """Version of the wording of the notices that must be read to their end (SK-08)."""
    terms_version: str = Field(default="2026-04-01", min_length=1, max_length=32)
    cancellation_version: str = Field(default="2026-04-01", min_length=1, max_length=32)
    """With the terms' version, what must be ticked before an order is placed (SK-26)."""
    key_quantity_max: int = Field(default=10, ge=1, le=10)
    """The most keys in one order (SK-06)."""
    number_weeks: int = Field(default=1, ge=1)
    """Weeks for a correct key number, from the day of the maker's mail (SK-13)."""
    maker_business_days: int = Field(default=3, ge=1)
    """Business days for which the maker may be silent until an operator is called (SK-15)."""
    dispatch_business_days: int = Field(default=7, ge=1)
    """Business days from the order, or from the confirmed number, to dispatch (SK-28)."""
    payment_business_days: int = Field(default=3, ge=1)
    """Business days for another means of payment until an operator is called (SK-38)."""
    release_business_days: int = Field(default=3, ge=1)
    """Business days from our release to the maker's dispatch until an operator is called (OP-06)."""
    transit_days: int = Field(default=2, ge=0)
    """Days from dispatch to delivery, for a wished date (SK-25)."""
    wish_days: int = Field(default=14, ge=1)
    """Days that may be chosen from when the first wish has passed (SK-25)."""
    wish_business_days: int = Field(default=3, ge=1)
    """Business days for another wish when the first has passed; then the key goes without one (SK-25)."""
    hold_days: int = Field(default=7, ge=1)
    """Days at the post after an absence (SK-32)."""
    hold_reminders: tuple[int, ...] = (1, 4, 6)
    """Days after the absence, which is not counted, on which the member is reminded (SK-32)."""
    hold_overdue_days: int = Field(default=14, ge=1)
    """Days after the hold without a word until an operator is called (OP-06)."""
    scan_days: int = Field(default=14, ge=1)
    """Days without a scan until a tracer is asked for (SK-41)."""
    storage_months: int = Field(default=1, ge=1)
    """Months at the maker, the day of return counted (SK-34)."""
    storage_notice_days: int = Field(default=14, ge=1)
    """Days from our notice to the end of storage, at the least (SK-34)."""
    storage_reminders: tuple[int, ...] = (14, 7, 1)
    """Days before the end of storage on which the member is reminded (SK-34)."""
    reminder_hour: int = Field(default=10, ge=0, le=23)
    """The hour of the day, in Japan, at which members are reminded."""
    redelivery_charge: int = Field(default=935, ge=0)
    """Yen, tax included, cash on delivery (SK-34)."""
    claim_days: int = Field(default=10, ge=1)
    """Days after delivery in which a wrong or faulty key can be reported (ST-50); the points wait as long."""
    desk_reference_life: timedelta = timedelta(hours=24)
    """How long a key number entered at the desk waits to be used (SK-14)."""
    approval_life: timedelta = timedelta(hours=24)
    """How long the first of two operators' approvals waits for the second (SK-50)."""
    number_kept_days: int = Field(default=90, ge=1)
    """Days after the end of an order, or the last change of a draft, until its numbers are erased (SK-12)."""

    @field_validator("hold_reminders", "storage_reminders")
    @classmethod
    def _fall_into_their_wait(cls, days: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        longest = info.data.get("hold_days", 0)
        if info.field_name == "storage_reminders":
            longest = info.data.get("storage_months", 0) * _SHORTEST_MONTH - 1
        if not all(1 <= day <= longest for day in days):
            raise ValueError(f"each from 1 to {longest} days: a reminder falls into what it reminds of")
        return days

    @property
    def notices_version(self) -> str:
        """What is agreed to: words and figures, so that another charge has to be agreed to anew (SK-08)."""
        return f"{self.notices_text}.{self.redelivery_charge}.{self.storage_months}"


class Settings(ContextSettings, TemporalSettings, SealingSettings, CalendarSettings, Rules):
    sweep_every: timedelta = timedelta(seconds=10)
    """Between looks at calls to the maker that were never answered."""
    store_address: str
    rooms_address: str
    maker_url: str
    maker_secret: SecretStr
    maker_webhook_secret: SecretStr
    post_webhook_secret: SecretStr
    carrier_webhook_secret: SecretStr
