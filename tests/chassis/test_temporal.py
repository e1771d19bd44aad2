"""What a workflow, and whoever reads its history, is told of an activity that fails: on a real server."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.temporal import Temporal
from services.chassis import temporal
from services.chassis.errors import Crowded, Kind, RuumError, Unavailable
from services.chassis.temporal import NamedFailures, application_error

SECRET = "marked@example.jp"


class JarShort(RuumError):
    kind = Kind.REFUSED
    code = "test-jar-short"


@workflow.defn(sandboxed=False)
class Tries:
    """One step, three times at most."""

    @workflow.run
    async def run(self) -> str:
        again = RetryPolicy(initial_interval=timedelta(milliseconds=20), maximum_attempts=3)
        limit, dead_after = timedelta(seconds=20), timedelta(seconds=1)
        answer = await workflow.execute_activity(
            "step", schedule_to_close_timeout=limit, heartbeat_timeout=dead_after, retry_policy=again
        )
        return str(answer)


class Step:
    """Does what a test wants; notes each try."""

    def __init__(self) -> None:
        self.tries = 0
        self.fails: Callable[[int], Exception | None] = lambda _: None
        self.takes = 0.0

    @activity.defn(name="step")
    async def run(self) -> str:
        self.tries += 1
        await asyncio.sleep(self.takes)
        failure = self.fails(self.tries)
        if failure is not None:
            raise failure
        return "done"


class Desk:
    """Starts workflows whose worker names failures."""

    def __init__(self, client: Client, queue: str, step: Step) -> None:
        self.client = client
        self.queue = queue
        self.step = step

    async def start(self) -> WorkflowHandle[Any, str]:
        return await self.client.start_workflow(Tries.run, id=f"tries/{uuid.uuid4()}", task_queue=self.queue)

    async def refused(self, fails: Callable[[int], Exception | None]) -> tuple[ApplicationError, str]:
        """What the workflow was told, and all that its history says."""
        self.step.fails = fails
        handle = await self.start()
        with pytest.raises(WorkflowFailureError) as ended:
            await handle.result()
        assert isinstance(ended.value.cause, ActivityError)
        told = ended.value.cause.cause
        assert isinstance(told, ApplicationError)
        return told, (await handle.fetch_history()).to_json()


@pytest.fixture
async def desk(temporal_server: Temporal) -> AsyncIterator[Desk]:
    client = await temporal.connect(temporal_server.address, "ruum")
    queue, step = f"tests-{uuid.uuid4()}", Step()
    async with Worker(
        client, task_queue=queue, workflows=[Tries], activities=[step.run], interceptors=[NamedFailures()]
    ):
        yield Desk(client, queue, step)


@pytest.mark.rule("OP-04")
async def test_a_refusal_keeps_its_name_and_is_not_tried_again(desk: Desk) -> None:
    told, _ = await desk.refused(lambda _: JarShort(left=3))

    assert (told.type, told.message, told.details) == ("test-jar-short", "test-jar-short", ({"left": 3},))
    assert told.non_retryable
    assert desk.step.tries == 1


@pytest.mark.parametrize("passing", [Unavailable(), Crowded(), JarShort(retry_after=timedelta(milliseconds=50))])
async def test_what_passes_is_tried_again(desk: Desk, passing: RuumError) -> None:
    desk.step.fails = lambda tries: passing if tries == 1 else None

    assert await (await desk.start()).result() == "done"
    assert desk.step.tries == 2


async def test_what_knows_when_it_passes_is_tried_again_then() -> None:
    later = application_error(JarShort(retry_after=timedelta(hours=2)))

    assert (later.non_retryable, later.next_retry_delay) == (False, timedelta(hours=2))


async def test_what_is_under_way_elsewhere_is_asked_again_soon() -> None:
    assert application_error(Crowded()).next_retry_delay == timedelta(milliseconds=200)


@pytest.mark.rule("OP-03")
async def test_of_a_mistake_of_ours_history_and_log_say_nothing_but_that_it_is_one(desk: Desk) -> None:
    def mistaken(_: int) -> Exception:
        mistake = ValueError(f"no such address: {SECRET}")
        mistake.__cause__ = LookupError(SECRET)
        return mistake

    with capture_logs() as lines:
        told, history = await desk.refused(mistaken)

    assert (told.type, told.message, desk.step.tries) == ("defect", "defect", 3)
    assert SECRET not in history
    assert [(line["event"], line["method"]) for line in lines if line["log_level"] == "error"] == [
        ("defect", "step")
    ] * 3


async def test_of_a_refusal_history_says_no_more_than_its_code_and_parameters(desk: Desk) -> None:
    def refusing(_: int) -> Exception:
        refusal = JarShort(left=3)
        refusal.add_note(SECRET)
        refusal.__cause__ = ValueError(SECRET)
        return refusal

    _, history = await desk.refused(refusing)

    assert SECRET not in history


async def test_what_is_said_in_the_words_of_temporal_is_left_as_it_is(desk: Desk) -> None:
    told, _ = await desk.refused(lambda _: ApplicationError("over", type="over", non_retryable=True))

    assert (told.type, told.non_retryable, desk.step.tries) == ("over", True, 1)


async def test_a_server_that_is_away_has_its_name() -> None:
    with pytest.raises(Unavailable):
        await asyncio.wait_for(temporal.connect(f"{LOOPBACK}:{free_port()}", "ruum"), 30)


async def test_a_worker_that_lives_says_so_while_a_step_takes_long(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporal, "BEAT_SECONDS", 0.2)
    desk.step.takes = 2.5

    answer = await (await desk.start()).result()

    assert (answer, desk.step.tries) == ("done", 1)
