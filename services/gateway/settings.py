"""Settings of the gateway."""

from pydantic import Field

from services.chassis.settings import EventSettings, ServiceSettings


class GatewaySettings(ServiceSettings, EventSettings):
    """The addresses are those of the services that own the data."""

    public_url: str
    help_mail: str
    """Where people write to who need help."""
    identity_address: str
    rooms_address: str
    store_address: str
    points_address: str
    sparekey_address: str
    trusted_proxies: int = Field(default=0, ge=0)
    """How many proxies of ours stand in front: so many of the last forwarded addresses are believed (PO-02)."""
    requests_per_minute: int = Field(default=300, ge=1)
    """Of each signed-in session, in each gateway process (PO-02)."""
    requests_per_minute_of_address: int = Field(default=1200, ge=1)
    """Of each network address, behind which a whole building may be."""

    @property
    def addresses(self) -> dict[str, str]:
        """By service."""
        return {
            "identity": self.identity_address,
            "rooms": self.rooms_address,
            "store": self.store_address,
            "points": self.points_address,
            "sparekey": self.sparekey_address,
        }
