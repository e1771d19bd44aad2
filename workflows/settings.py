"""Settings of the worker."""

from services.chassis.settings import ServiceSettings, TemporalSettings


class WorkerSettings(ServiceSettings, TemporalSettings):
    """`listen` answers health checks; the addresses are those of the services that own the data."""

    store_address: str
    points_address: str
    sparekey_address: str
