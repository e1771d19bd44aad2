"""Moves a developer's whole machine forward: the one clock of all processes, and every running workflow (PR-05)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper

from services.chassis.clock import MovableClock


class TimeMachine:
    """Time goes forward by the rules' own lengths; the rules are never shortened.

    Args:
        clock_file: the offset that all processes of this machine share.
        client: of the namespace whose workflows move along.
    """

    def __init__(self, clock_file: Path, client: Client) -> None:
        self.clock = MovableClock(clock_file)
        self._client = client
        self._skipper = TimeSkipper(client)

    async def forward(self, by: timedelta) -> None:
        """Moves all clocks, then lets every workflow live through the time that has passed."""
        running = [run.id async for run in self._client.list_workflows('ExecutionStatus = "Running"')]
        self.clock.move(by)
        await asyncio.gather(*(self._live(workflow_id, by) for workflow_id in running))

    async def _live(self, workflow_id: str, by: timedelta) -> None:
        try:
            await self._skipper.fast_forward(self._client.get_workflow_handle(workflow_id), by)
        except RPCError as failure:
            # It has ended since it was listed: there is no time left for it to live through.
            if failure.status is not RPCStatusCode.NOT_FOUND:
                raise
