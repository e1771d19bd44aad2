"""Settings of the store: its choices (limits, periods, charges), its partners and its neighbours."""

from datetime import timedelta

from pydantic import BaseModel, Field, SecretStr

from services.chassis import settings
from services.chassis.foundation import ContextSettings
from services.chassis.settings import CalendarSettings, TemporalSettings


class LateRules(BaseModel, frozen=True):
    """What lateness costs: `charge` yen, at most `most` times, each `spacing` after the one before (ST-24)."""

    charge: int
    most: int
    spacing: timedelta


class Rules(settings.Settings):
    """The choices of the store; all have defaults."""

    deferred_limit: int = Field(default=55_000, ge=0)
    """Yen that a member may owe by deferred payment at once (ST-24)."""
    late_charge: int = Field(default=297, ge=0)
    """Yen added to an invoice each time it is late (ST-24)."""
    late_charges_most: int = Field(default=3, ge=0, le=3)
    """How many such charges one invoice gets at most (ST-24)."""
    late_spacing_days: int = Field(default=14, ge=1)
    """Days between one collection charge and the next (ST-24)."""
    payer_patience: timedelta = timedelta(minutes=30)
    """How long a payer may stay at the partner's page (ST-21)."""
    renew_before: timedelta = timedelta(hours=24)
    """An authorisation that lapses sooner than this is renewed (SK-38)."""
    wish_days: int = Field(default=14, ge=1)
    """How many days are offered for delivery, from the earliest possible one (SK-25)."""
    transit_days: int = Field(default=2, ge=0)
    """Days from dispatch to the earliest possible delivery (SK-25)."""
    shipping: int = Field(default=0, ge=0)
    """Yen for sending an order of keys."""
    yen_per_point: int = Field(default=100, ge=1)
    """Of goods that earn one point (PT-02)."""

    @property
    def late(self) -> LateRules:
        return LateRules(
            charge=self.late_charge, most=self.late_charges_most, spacing=timedelta(days=self.late_spacing_days)
        )

    def points_for(self, yen: int) -> int:
        """Points that so many yen of goods earn (PT-02)."""
        return yen // self.yen_per_point


class PartnerSettings(settings.Settings):
    """Where partners are, what we show them, and what they sign their webhooks with."""

    card_url: str
    card_secret: SecretStr
    card_webhook_secret: SecretStr
    deferred_url: str
    deferred_secret: SecretStr
    deferred_webhook_secret: SecretStr
    epos_url: str
    epos_secret: SecretStr
    epos_webhook_secret: SecretStr


class Settings(ContextSettings, TemporalSettings, CalendarSettings, PartnerSettings, Rules):
    """Settings of the process."""

    sweep_every: timedelta = timedelta(seconds=10)
    """Between looks at calls to partners that were never answered (ST-21)."""
    public_url: str
    """Where people reach the portal: payers come back to it from a partner's page."""
    identity_address: str
    points_address: str
