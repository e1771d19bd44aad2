"""The services behind the nights, as a script: what is left to do, what disagrees, and who is away until when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from services.chassis.ids import new_id
from tests.support.waiting import until
from workflows.board import NEEDS_OPERATOR, STATE
from workflows.daily import contract
from workflows.daily.activities import DailyActivities
from workflows.daily.contract import Chore, Difference, Round, StartChore, Swept
from workflows.daily.workflow import Daily
from workflows.worker import activities_of

Process = WorkflowHandle[Any, Any]


class Night(DailyActivities):
    """What is left to do, what was asked, and what each comparison finds: the last of them again and again."""

    def __init__(self, *rounds: int, found: tuple[tuple[str, ...], ...] = ((),)) -> None:
        self.left = list(rounds)
        self.asked: list[Round] = []
        self.tries = 0
        self.compared = 0
        self.away = False
        self.refuses = False
        self.found = list(found)
        super().__init__(points=None, sparekey=None, differences=self.differences)  # type: ignore[arg-type]  # not asked

    def _tried(self) -> None:
        self.tries += 1
        if self.away:
            raise ApplicationError("unavailable", type="unavailable")
        if self.refuses:
            raise ApplicationError("permission-denied", type="permission-denied", non_retryable=True)

    @activity.defn(name=contract.POST_EXPIRY.name)
    async def post_expiry(self, given: Round) -> Swept:
        self._tried()
        self.asked.append(given)
        return Swept(done=self.left.pop(0), more=bool(self.left))

    @activity.defn(name=contract.ERASE_KEY_NUMBERS.name)
    async def erase_key_numbers(self, given: Round) -> Swept:
        self._tried()
        self.asked.append(given)
        return Swept(done=1)

    @activity.defn(name=contract.KEYS_LEAVING.name)
    async def look_again(self, given: Round) -> Swept:
        self._tried()
        self.asked.append(given)
        return Swept(done=1)

    async def differences(self) -> list[Difference]:
        self._tried()
        self.compared += 1
        ids = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        return [Difference(kind="points-held", of=of, says=f"look {self.compared}") for of in ids]


@asynccontextmanager
async def working(client: Client, night: Night, queue: str) -> AsyncIterator[None]:
    async with Worker(client, task_queue=queue, workflows=[Daily], activities=activities_of(night)):
        yield


@asynccontextmanager
async def running(client: Client, night: Night, chore: Chore) -> AsyncIterator[Process]:
    """One night of a chore, with a worker of its own."""
    queue = new_id("queue")
    async with working(client, night, queue):
        yield await client.start_workflow(Daily.run, StartChore(chore=chore), id=new_id("night"), task_queue=queue)


async def needs_operator(process: Process) -> bool:
    return bool((await process.describe()).typed_search_attributes.get(NEEDS_OPERATOR))


async def state(process: Process) -> str | None:
    return (await process.describe()).typed_search_attributes.get(STATE)


async def details(process: Process) -> str:
    metadata: WorkflowMetadata = await process.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return metadata.current_details


async def act(process: Process, action: str) -> str:
    """An operator's action, as the UI sends it."""
    answer: str = await process.execute_update(action, {"operator": "op_sato", "reason": "looked-into"})
    return answer


async def called(process: Process) -> None:
    """Waits until the night calls an operator."""
    await until(lambda: needs_operator(process))
