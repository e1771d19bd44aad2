"""The four signals of every RPC as Prometheus metrics: rate, outcome, duration and load (OP-31)."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass
class Outcome:
    """How an RPC ended: the name of its gRPC status."""

    code: str = "OK"


class Telemetry:
    """The metrics of one process; whoever has more to say, as the gateway of its routes, says it on `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._started = Counter("ruum_rpc_started", "RPCs begun", ["rpc"], registry=self.registry)
        self._handled = Counter("ruum_rpc_handled", "RPCs ended", ["rpc", "code"], registry=self.registry)
        self._in_flight = Gauge("ruum_rpc_in_flight", "RPCs under way", ["rpc"], registry=self.registry)
        self._seconds = Histogram(
            "ruum_rpc_seconds", "Time an RPC took", ["rpc"], buckets=_SECONDS, registry=self.registry
        )

    @contextmanager
    def handling(self, rpc: str) -> Iterator[Outcome]:
        """Measures one RPC; the block says its `code` when it is not `OK`.

        An error that leaves the block without a code is INTERNAL. `rpc` has to be a method that exists, since
        each name is kept for the life of the process.
        """
        self._started.labels(rpc).inc()
        in_flight = self._in_flight.labels(rpc)
        in_flight.inc()
        outcome = Outcome()
        began = perf_counter()
        try:
            yield outcome
        except CancelledError:
            outcome.code = "CANCELLED"
            raise
        except BaseException:
            if outcome.code == "OK":
                outcome.code = "INTERNAL"
            raise
        finally:
            self._seconds.labels(rpc).observe(perf_counter() - began)
            self._handled.labels(rpc, outcome.code).inc()
            in_flight.dec()

    @contextmanager
    def serving(self, listen: str) -> Iterator[int]:
        """Answers `/metrics` on `host:port` while the block runs, and gives the port (0 takes a free one)."""
        host, _, port = listen.rpartition(":")
        server, thread = start_http_server(int(port), host, self.registry)
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
