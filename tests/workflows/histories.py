"""Each branch of a process, lived once and kept: what runs then must go on under later code (OP-05)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from deploy.local.child import installed
from deploy.local.temporal import SEARCH_ATTRIBUTES

Lived = Callable[[WorkflowEnvironment], Awaitable[WorkflowHistory]]


@asynccontextmanager
async def skipping_time() -> AsyncIterator[WorkflowEnvironment]:
    """A server whose time stands still but for `sleep`, which passes days in milliseconds."""
    server = installed("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=server, data_converter=pydantic_data_converter
    ) as environment:
        asked = AddSearchAttributesRequest(namespace=environment.client.namespace, search_attributes=SEARCH_ATTRIBUTES)
        await environment.client.operator_service.add_search_attributes(asked)
        yield environment


@dataclass(frozen=True)
class Histories:
    """Those of one process.

    Attributes:
        folder: where they are kept.
        branches: by name, how each is lived.
    """

    folder: Path
    branches: Mapping[str, Lived]

    @property
    def kept(self) -> set[str]:
        return {path.stem for path in self.folder.glob("*.json")}

    async def objection(self, branch: str, process: type) -> Exception | None:
        """Why the code of a process cannot go on from the history of a branch; nothing when it can.

        What to do about one: docs/decisions/0014.
        """
        history = WorkflowHistory.from_json(branch, (self.folder / f"{branch}.json").read_text("utf-8"))
        replayer = Replayer(workflows=[process], data_converter=pydantic_data_converter)
        return (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure

    def record(self) -> None:
        """Lives and keeps all branches anew: only when no case of the old code runs (docs/decisions/0014)."""
        asyncio.run(self._record())

    async def _record(self) -> None:
        self.folder.mkdir(exist_ok=True)
        for name, lived in self.branches.items():
            async with skipping_time() as time:
                history = _of_no_machine((await lived(time)).to_json())
            (self.folder / f"{name}.json").write_text(history + "\n", "utf-8")
            print(f"{name}: {history.count('eventId')} events")  # noqa: T201  # for whoever records


def _of_no_machine(history: str) -> str:
    """Without what says where it was recorded: identities and stack traces."""
    kept = re.sub(r'"identity": "[^"]*"', '"identity": "recorded"', history)
    return re.sub(r'"stackTrace": "(?:[^"\\]|\\.)*"', '"stackTrace": ""', kept)
