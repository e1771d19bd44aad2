"""Builders of gRPC servers and channels, alike in every process: one server a process, one channel a neighbour."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from structlog.contextvars import get_contextvars

from services.chassis import failures
from services.chassis.caller import KeyRing, Signer
from services.chassis.door import LONGEST_CALL, Door, time_left
from services.chassis.errors import CallerUnknown, Defect, RuumError, TooLate
from services.chassis.telemetry import Telemetry

_log = structlog.get_logger()

_RETRY = json.dumps(
    {
        "methodConfig": [
            {
                # Every command is idempotent (PR-10): what may not have arrived is sent again.
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
        # When most calls fail, trying again only adds to it: after a few failures each success earns a tenth of a try.
        "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
    }
)
_KEPT_OPEN = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
]
_SERVED = [
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]
_GRACE_SECONDS = 5
_OWN_SHARE_SECONDS = 0.2
"""Of the time that a caller allows: to answer in, also when a neighbour uses up the rest."""


class _Outgoing(grpc.aio.UnaryUnaryClientInterceptor):
    """Says who we are where nobody else is spoken for, sets a limit, and answers failures by their names."""

    def __init__(self, audience: str, signer: Signer) -> None:
        self._audience = audience
        self._signer = signer

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        if details.metadata is not None and details.metadata.get("authorization") is not None:
            return await _named(continuation, self._completed(details), request)
        try:
            return await _named(continuation, self._completed(details, self._signer.own_token(self._audience)), request)
        except RuumError as failure:
            if failure.code != CallerUnknown.code:  # others are unauthenticated too: whoever forged a webhook
                raise
        # Our key was replaced, or the clock moved, while the token was on its way.
        fresh = self._signer.own_token(self._audience, fresh=True)
        try:
            return await _named(continuation, self._completed(details, fresh), request)
        except RuumError as failure:
            if failure.code != CallerUnknown.code:
                raise
            # Whoever asked us has shown who they are: it is we who are not believed.
            raise Defect from failure

    def _completed(self, details: grpc.aio.ClientCallDetails, token: str = "") -> grpc.aio.ClientCallDetails:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        if token:
            metadata.add("authorization", f"Bearer {token}")
        request_id = get_contextvars().get("request_id")
        if request_id and metadata.get("x-request-id") is None:
            metadata.add("x-request-id", str(request_id))
        return grpc.aio.ClientCallDetails(
            details.method,
            _allowed(details.timeout or LONGEST_CALL / 2),
            metadata,
            details.credentials,
            details.wait_for_ready,
        )


def _allowed(timeout: float) -> float:
    """What a call may take, in seconds: less than is left of the call that is being answered, if one is.

    Raises:
        TooLate: nothing is left.
    """
    left = time_left()
    if left is None:
        return timeout
    if left <= _OWN_SHARE_SECONDS:
        raise TooLate
    return min(timeout, left - _OWN_SHARE_SECONDS)


async def _named(continuation: Callable[..., Any], details: grpc.aio.ClientCallDetails, request: Any) -> Any:
    call = await continuation(details, request)
    try:
        await call
    except grpc.aio.AioRpcError as failed:
        raise failures.failure(failed) from None
    return call


def channel(address: str, audience: str, signer: Signer) -> grpc.aio.Channel:
    """A channel to a neighbour, made once and kept: calls raise `RuumError`s.

    Args:
        address: `host:port`.
        audience: the neighbour's name: `points`.
        signer: signs for us where the call carries no member's token.
    """
    options = [*_KEPT_OPEN, ("grpc.service_config", _RETRY), ("grpc.enable_retries", 1)]
    return grpc.aio.insecure_channel(address, options=options, interceptors=[_Outgoing(audience, signer)])


class Server:
    """A gRPC server with the door, health, reflection and metrics.

    Args:
        name: the service: `points`; also the audience that tokens must name.
        listen: `host:port`; port 0 takes a free one, which is then `port`.
        keys: the public keys of those who sign tokens.
        services: the contracts that are served.
        metrics_listen: where `/metrics` is answered (OP-31).
    """

    def __init__(
        self,
        name: str,
        listen: str,
        keys: KeyRing,
        services: Sequence[ServiceDescriptor],
        metrics_listen: str | None = None,
    ) -> None:
        self.name = name
        self.telemetry = Telemetry()
        self.grpc = grpc.aio.server(interceptors=[Door(name, keys, self.telemetry, list(services))], options=_SERVED)
        self.port = self.grpc.add_insecure_port(listen)
        self.health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.grpc)
        names = [service.full_name for service in services]
        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME, health.SERVICE_NAME], self.grpc)
        self._metrics_listen = metrics_listen
        self._beside: list[Callable[[], Any]] = []

    def beside(self, run: Callable[[], Any]) -> None:
        """A coroutine that runs as long as the server does, such as a relay; when it ends, so does the server."""
        self._beside.append(run)

    async def serve(self) -> None:
        """Serves until SIGTERM or Ctrl-C, then lets calls under way finish.

        Raises:
            Exception: what ended something that runs beside.
        """
        with ExitStack() as until_the_end:
            if self._metrics_listen is not None:
                until_the_end.enter_context(self.telemetry.serving(self._metrics_listen))
            stopped = until_the_end.enter_context(_told_to_stop())
            await self.grpc.start()
            running = [asyncio.ensure_future(run()) for run in (stopped.wait, *self._beside)]
            await self.health.set("", health_pb2.HealthCheckResponse.SERVING)
            _log.info("serving", port=self.port)
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            await self.health.enter_graceful_shutdown()
            await self.grpc.stop(_GRACE_SECONDS)
            for task in running:
                task.cancel()
            for ended in await asyncio.gather(*running, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended


@contextmanager
def _told_to_stop() -> Iterator[asyncio.Event]:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, told.set)
    try:
        yield told
    finally:
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(sign)
