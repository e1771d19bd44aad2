"""Settings of the notifier: where it writes from, through whom, and how often it tries."""

from datetime import timedelta

from pydantic import Field, SecretStr

from services.chassis import settings
from services.chassis.foundation import ContextSettings


class Rules(settings.Settings):
    """What the business may choose; all have defaults."""

    mail_from: str = Field(default="no-reply@ruum.me", pattern=r"^[^@\s<>]+@[a-z0-9.-]+$")
    """At our sending domain, which people may have to let through (ID-04)."""
    sending_lease: timedelta = timedelta(seconds=60)
    """For how long a delivery is one process's; longer than asking, writing and sending may take together."""
    sending_patience: timedelta = timedelta(seconds=20)
    """For one mail or SMS to be taken."""
    retry_first: timedelta = timedelta(seconds=1)
    """Before the second try; doubled with each further one."""
    retry_longest: timedelta = timedelta(minutes=5)
    most_tries: int = Field(default=900, ge=1)
    """Three days of trying, then a delivery is given up."""


class Settings(ContextSettings, Rules):
    """Settings of the process."""

    identity_address: str
    store_address: str
    public_url: str
    """Where links lead: the portal."""
    smtp_host: str
    smtp_port: int
    sms_url: str
    sms_secret: SecretStr
