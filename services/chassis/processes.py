"""Process lines of the outbox reach Temporal: each process is started once, each signal while it runs (OP-06)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa
import structlog
from pydantic import BaseModel
from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from services.chassis.clock import Clock, MovableClock
from services.chassis.db import Database
from services.chassis.errors import Unavailable
from services.chassis.events import Outbox, ProcessLine

_log = structlog.get_logger()

_PATIENCE = timedelta(seconds=5)
_AT_ONCE = 20
_AWAY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)


async def client(address: str, namespace: str) -> Client:
    """A client that connects when it is first used: a service starts and serves while Temporal is away."""
    return await Client.connect(address, namespace=namespace, data_converter=pydantic_data_converter, lazy=True)


def ahead(clock: Clock) -> float:
    """Seconds by which the clock of this process is moved: a workflow that it starts reckons alike (PR-05)."""
    return clock.offset.total_seconds() if isinstance(clock, MovableClock) else 0.0


def found_by(keywords: Mapping[str, str]) -> TypedSearchAttributes:
    """The attributes by which operators find a workflow: ids and words (OP-01)."""
    pairs = [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in keywords.items()]
    return TypedSearchAttributes(pairs)


@dataclass(frozen=True)
class Opening:
    """What one workflow is started with; ids only (OP-03).

    Attributes:
        given: its input.
        summary: its line in the operators' list (OP-01).
        attributes: the keywords by which it is found: `OrderId`, `MemberId`, `Case`.
    """

    given: BaseModel
    summary: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Process:
    """How the lines of one process become a workflow.

    Attributes:
        workflow: the name of its type.
        task_queue: where its worker listens.
        opening: makes its input of a line and of how far this process's clock is moved, in seconds (PR-05).
        begins: starts it in a way of its own, in place of an opening, such as by an update; what it raises is
            tried again.
    """

    workflow: str
    task_queue: str
    opening: Callable[[ProcessLine, float], Opening] | None = None
    begins: Callable[[ProcessLine], Awaitable[None]] | None = None


class ProcessStarter:
    """What a relay of the kind `process` hands lines on with.

    server.beside(Relay(database, outbox, "process", ProcessStarter(client, {"point-grant": …}, …)).run)

    A workflow's id is `process/key`. A start whose workflow exists is settled, also when that has ended; so is a
    signal to one that has ended. A signal never overtakes its workflow's start.

    Args:
        processes: by the name that lines give them.
        database: with `outbox`, to tell a workflow that has ended from one whose start still waits.
        clock: the service's.
    """

    def __init__(
        self,
        temporal: Client,
        processes: Mapping[str, Process],
        database: Database,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._temporal = temporal
        self._processes = processes
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Hands lines on, those of one workflow in their order. Returns the positions of those that arrived.

        Raises:
            Unavailable: none arrived, since Temporal is away.
        """
        by_workflow = sorted(rows, key=lambda row: (row["aggregate_id"], row["position"]))
        lines = [list(of_one) for _, of_one in groupby(by_workflow, lambda row: row["aggregate_id"])]
        away = asyncio.Event()
        told = await asyncio.gather(*(self._tell(of_one, away) for of_one in lines))
        arrived = [position for positions in told for position in positions]
        if away.is_set() and not arrived:
            raise Unavailable
        return arrived

    async def _tell(self, rows: Sequence[Mapping[str, Any]], away: asyncio.Event) -> Sequence[int]:
        """The lines of one workflow, up to the first that did not arrive; none once Temporal is found to be away."""
        arrived: list[int] = []
        async with self._places:
            for row in rows:
                if away.is_set() or not await self._arrives(row, bool(arrived), away):
                    break
                arrived.append(row["position"])
        return arrived

    async def _arrives(self, row: Mapping[str, Any], after_another: bool, away: asyncio.Event) -> bool:
        workflow, line = row["aggregate_id"], ProcessLine.model_validate(row["line"])
        try:
            if line.action == "start":
                await self._start(workflow, line)
                return True
            return await self._signal(workflow, line) or after_another or not await self._start_waits(workflow)
        except (RPCError, RuntimeError) as failure:
            if isinstance(failure, RuntimeError) or failure.status in _AWAY:
                away.set()
            _log.warning("process line waits", workflow_id=workflow, action=line.action, reason=_why(failure))
        except Exception:  # noqa: BLE001  # a line that cannot be handed on must not take the service with it
            _log.exception("process line not handed on", workflow_id=workflow, action=line.action)
        return False

    async def _start(self, workflow: str, line: ProcessLine) -> None:
        process = self._processes[line.process]
        if process.begins is not None:
            return await process.begins(line)
        if process.opening is None:
            raise ValueError(f"nobody said how {line.process} begins")
        opening = process.opening(line, ahead(self._clock))
        try:
            await self._temporal.start_workflow(
                process.workflow,
                opening.given,
                id=workflow,
                task_queue=process.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=found_by(opening.attributes),
                static_summary=opening.summary or None,
                rpc_timeout=_PATIENCE,
            )
        except WorkflowAlreadyStartedError:
            _log.debug("process exists", workflow_id=workflow)

    async def _signal(self, workflow: str, line: ProcessLine) -> bool:
        """Returns false when there is no such workflow, or none any more."""
        arguments = [line.arguments] if line.arguments else []
        try:
            await self._temporal.get_workflow_handle(workflow).signal(
                line.action, args=arguments, rpc_timeout=_PATIENCE
            )
        except RPCError as failure:
            if failure.status != RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def _start_waits(self, workflow: str) -> bool:
        """Whether the start of this workflow has not reached Temporal yet, so that a signal has to wait for it."""
        t = self._outbox.table.c
        waiting = sa.exists().where(
            t.kind == "process", t.aggregate_id == workflow, t.subject == "start", t.handed_on_at.is_(None)
        )
        async with self._database.reading() as session:
            return bool(await session.scalar(sa.select(waiting)))


def _why(failure: RPCError | RuntimeError) -> str:
    """The client cannot connect when it says so by a bare RuntimeError."""
    return failure.status.name if isinstance(failure, RPCError) else "NOT_CONNECTED"
