"""The four signals of every route as Prometheus metrics, the streams that are open, and which services are missing."""

from __future__ import annotations

from functools import partial

from prometheus_client import Counter, Gauge, Histogram

from services.chassis.telemetry import Telemetry
from services.gateway.breaker import Breaker
from services.gateway.clients import Services
from services.gateway.live.feed import Feed

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# What clients write there is theirs; each word kept would be kept for the life of the process.
_METHODS = {"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"}


class Signals:
    """Metrics of the gateway (OP-31)."""

    def __init__(self, telemetry: Telemetry, services: Services, feed: Feed) -> None:
        registry = telemetry.registry
        self._answered = Counter(
            "ruum_http_answered", "Requests answered", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "ruum_http_seconds", "Time to an answer", ["route"], buckets=_SECONDS, registry=registry
        )
        self.in_flight = Gauge("ruum_http_in_flight", "Requests under way", registry=registry)
        Gauge("ruum_event_streams", "Streams of live updates", registry=registry).set_function(lambda: len(feed))
        missing = Gauge("ruum_service_missing", "1 while a service is left alone", ["part"], registry=registry)
        for part, breaker in services.breakers.items():
            missing.labels(part).set_function(partial(_is_open, breaker))

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request; `route` is the path as it is declared, never as it was asked."""
        self._answered.labels(route, method if method in _METHODS else "other", status).inc()
        self._seconds.labels(route).observe(seconds)


def _is_open(breaker: Breaker) -> float:
    return float(breaker.open)
