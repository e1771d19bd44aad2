"""A client of Temporal for programs that need it at once, and how a failure of an activity reaches its workflow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from services.chassis.errors import Defect, Kind, RuumError, Unavailable

_log = structlog.get_logger()

BEAT_SECONDS = 3


async def connect(address: str, namespace: str) -> Client:
    """A client whose inputs and answers are JSON of dataclasses and pydantic models.

    Raises:
        Unavailable: the server cannot be reached now.
    """
    try:
        return await Client.connect(address, namespace=namespace, data_converter=pydantic_data_converter)
    except (RPCError, RuntimeError) as failure:
        raise Unavailable from failure


class NamedFailures(Interceptor):
    """An activity's failure keeps its name in the workflow, and nothing else (OP-03, OP-04).

    The type of the `ApplicationError` is the failure's code: a workflow decides by it. What cannot get better by
    trying again is not tried again. A mistake of ours is `defect`: what it says may quote data and stays in our log.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002  # its name
        return _Named(next)


class _Named(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  # its name
        try:
            async with _beating():
                return await self.next.execute_activity(input)
        except RuumError as failure:
            raise application_error(failure) from None
        except FailureError:
            raise  # Temporal's own, such as a cancellation
        except Exception:  # noqa: BLE001  # what is not named must not leave as it is
            _log.exception("defect", method=activity.info().activity_type)
            raise application_error(Defect()) from None


@asynccontextmanager
async def _beating() -> AsyncIterator[None]:
    """Says now and then that this worker lives, so that what a dead one had in hand is soon given to another."""
    if activity.info().is_local:
        yield
        return

    async def beats() -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            activity.heartbeat()

    beating = asyncio.create_task(beats())
    try:
        yield
    finally:
        beating.cancel()


def application_error(failure: RuumError) -> ApplicationError:
    """The failure as a workflow sees it: its code and parameters, which hold no personal data."""
    return ApplicationError(
        failure.code,
        dict(failure.params),
        type=failure.code,
        non_retryable=not (failure.passes or failure.kind is Kind.DEFECT),
        next_retry_delay=failure.retry_after or _pause(failure),
    )


def _pause(failure: RuumError) -> timedelta | None:
    """What is under way elsewhere is asked again soon, not after a growing back-off."""
    return timedelta(milliseconds=200) if failure.kind is Kind.BUSY else None
