"""What the gateway is told."""

from pydantic import Field

from services.chassis.settings import EventSettings, ServiceSettings


class GatewaySettings(ServiceSettings, EventSettings):
    """The addresses are those of the services that own the data."""

    public_url: str
    identity_address: str
    rooms_address: str
    store_address: str
    points_address: str
    sparekey_address: str
    trusted_proxies: int = Field(default=0, ge=0)
    """How many proxies of ours stand in front: so many of the last forwarded addresses are believed (PO-02)."""
    requests_per_minute: int = Field(default=300, ge=1)
    """For each client and each signed-in session (PO-02)."""
