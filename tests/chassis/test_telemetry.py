from __future__ import annotations

from asyncio import CancelledError

import httpx
import pytest

from services.chassis.telemetry import Telemetry

HOLD = "/ruum.points.v1.Points/Hold"


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def test_each_rpc_is_counted_by_how_it_ended_and_timed() -> None:
    telemetry = Telemetry()

    with telemetry.handling(HOLD):
        pass
    with telemetry.handling(HOLD) as outcome:
        outcome.code = "NOT_FOUND"

    assert value(telemetry, "ruum_rpc_started_total", rpc=HOLD) == 2
    assert value(telemetry, "ruum_rpc_handled_total", rpc=HOLD, code="OK") == 1
    assert value(telemetry, "ruum_rpc_handled_total", rpc=HOLD, code="NOT_FOUND") == 1
    assert value(telemetry, "ruum_rpc_seconds_count", rpc=HOLD) == 2
    assert value(telemetry, "ruum_rpc_in_flight", rpc=HOLD) == 0


def test_an_rpc_under_way_is_in_flight_and_not_yet_handled() -> None:
    telemetry = Telemetry()

    with telemetry.handling(HOLD), telemetry.handling(HOLD):
        assert value(telemetry, "ruum_rpc_in_flight", rpc=HOLD) == 2
        assert value(telemetry, "ruum_rpc_seconds_count", rpc=HOLD) is None


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (RuntimeError, None, "INTERNAL"),
        (RuntimeError, "UNAVAILABLE", "UNAVAILABLE"),
        (CancelledError, None, "CANCELLED"),
    ],
)
def test_an_error_that_leaves_an_rpc_is_counted_and_goes_on(
    error: type[BaseException], said: str | None, code: str
) -> None:
    telemetry = Telemetry()

    def handle() -> None:
        with telemetry.handling(HOLD) as outcome:
            outcome.code = said or outcome.code
            raise error

    with pytest.raises(error):
        handle()

    assert value(telemetry, "ruum_rpc_handled_total", rpc=HOLD, code=code) == 1
    assert value(telemetry, "ruum_rpc_in_flight", rpc=HOLD) == 0


def test_metrics_are_served_while_the_process_serves() -> None:
    telemetry = Telemetry()
    with telemetry.handling(HOLD):
        pass

    with telemetry.serving("127.0.0.1:0") as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics")

    assert f'ruum_rpc_started_total{{rpc="{HOLD}"}} 1.0' in answer.text
    assert "process_resident_memory_bytes" in answer.text
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")
