from __future__ import annotations

from datetime import timedelta

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.chassis import failures
from services.chassis.errors import (
    TABLE,
    CallerUnknown,
    Changed,
    Crowded,
    Defect,
    InvalidField,
    Kind,
    NotAllowed,
    NotFound,
    RemoteError,
    RequestReused,
    RuumError,
    StillRunning,
    TooLate,
    Unavailable,
    Violation,
)
from services.chassis.temporal import application_error

PARAMS = st.dictionaries(
    st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.text(max_size=20) | st.integers(), max_size=4
)


class PointsShort(RuumError):
    kind = Kind.REFUSED
    code = "points-short"


def travelled(failure: RuumError) -> RuumError:
    """The failure as the other end of a call has it."""
    code, metadata = failures.status(failure)
    return failures.failure(call(code, grpc.aio.Metadata(*metadata)))


def call(code: grpc.StatusCode, trailing: grpc.aio.Metadata | None = None) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing or grpc.aio.Metadata())


def test_a_kind_of_another_release_is_a_defect_and_keeps_its_name() -> None:
    info = error_details_pb2.ErrorInfo(reason="jar-haunted", metadata={"kind": "haunted", "field": ""})
    answer = status_pb2.Status(code=grpc.StatusCode.ABORTED.value[0], message="jar-haunted")
    answer.details.add().Pack(info)
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", answer.SerializeToString()))

    told = failures.failure(grpc.aio.AioRpcError(grpc.StatusCode.ABORTED, grpc.aio.Metadata(), trailing))

    assert (told.kind, told.code) == (Kind.DEFECT, "jar-haunted")


def test_every_kind_has_a_status_that_grpc_knows() -> None:
    assert set(TABLE) == set(Kind)
    assert all(hasattr(grpc.StatusCode, row.grpc) for row in TABLE.values())


@pytest.mark.rule("PR-10")
def test_a_reused_request_id_is_already_exists_and_422_and_one_under_way_a_retryable_409() -> None:
    assert (TABLE[Kind.REUSED].grpc, TABLE[Kind.REUSED].http, TABLE[Kind.REUSED].retryable) == (
        "ALREADY_EXISTS",
        422,
        False,
    )
    assert (TABLE[Kind.BUSY].http, TABLE[Kind.BUSY].retryable) == (409, True)
    assert StillRunning.kind is Kind.BUSY


@pytest.mark.parametrize("kind", Kind)
def test_a_failure_crosses_a_call_with_its_kind_and_its_name(kind: Kind) -> None:
    arrived = travelled(RemoteError(kind, "coupon-used-up", field="coupon_code"))

    assert (arrived.kind, arrived.code, arrived.field) == (kind, "coupon-used-up", "coupon_code")
    assert arrived.retry_after is None
    assert arrived.violations == ()


@pytest.mark.parametrize(
    "general",
    [InvalidField, CallerUnknown, NotAllowed, NotFound, Changed, RequestReused, Crowded, Unavailable, TooLate],
)
def test_a_neighbours_failure_can_be_caught_as_what_it_is_in_general(general: type[RuumError]) -> None:
    arrived = travelled(RemoteError(general.kind, "of-its-own"))

    assert isinstance(arrived, general)
    assert isinstance(arrived, RemoteError)
    assert (arrived.kind, arrived.code) == (general.kind, "of-its-own")


@given(params=PARAMS, retry=st.none() | st.timedeltas(min_value=timedelta(), max_value=timedelta(days=1)))
def test_a_failure_crosses_a_call_with_all_that_its_text_needs(
    params: dict[str, str | int], retry: timedelta | None
) -> None:
    failure = PointsShort(field="points", retry_after=retry)
    failure.params = params

    arrived = travelled(failure)

    assert arrived.params == params
    assert arrived.retry_after == retry
    assert arrived.field == "points"


@given(fields=st.lists(st.tuples(st.text(min_size=1, max_size=30), PARAMS), max_size=5))
def test_every_wrong_field_crosses_a_call(fields: list[tuple[str, dict[str, str | int]]]) -> None:
    wrong = tuple(Violation(field, "field-required", params) for field, params in fields)

    assert travelled(InvalidField(violations=wrong)).violations == wrong


def test_a_form_with_very_many_mistakes_still_gets_an_answer() -> None:
    wrong = [Violation(f"parts[{index}].part_id", "field-string-min-len", {}) for index in range(500)]
    _, metadata = failures.status(InvalidField(violations=wrong))

    arrived = travelled(InvalidField(violations=wrong))

    assert arrived.violations == tuple(wrong[:20])
    assert len(metadata[0][1]) < 8000


@pytest.mark.parametrize(
    ("code", "named"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.CANCELLED, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, TooLate),
        (grpc.StatusCode.UNIMPLEMENTED, Defect),
        (grpc.StatusCode.UNKNOWN, Defect),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Defect),
        (grpc.StatusCode.UNAUTHENTICATED, Defect),
    ],
)
def test_what_no_service_of_ours_said_is_told_by_its_status(code: grpc.StatusCode, named: type[RuumError]) -> None:
    assert type(failures.failure(call(code))) is named


def test_the_wire_says_nothing_but_code_and_parameters() -> None:
    failure = PointsShort(available=12)
    failure.__cause__ = ValueError("mem_anna lives at 1-2-3")

    _, metadata = failures.status(failure)

    answer = status_pb2.Status.FromString(metadata[0][1])
    assert answer.message == "points-short"
    assert b"anna" not in metadata[0][1]


@pytest.mark.parametrize(
    ("failure", "passes"),
    [
        (Unavailable(), True),
        (Crowded(), True),
        (TooLate(), True),
        (NotFound(), False),
        (PointsShort(), False),
        (CallerUnknown(), False),
        (RemoteError(Kind.TOO_MANY, "rate-limited"), False),
        (RemoteError(Kind.TOO_MANY, "rate-limited", retry_after=timedelta(minutes=1)), True),
    ],
)
def test_a_workflow_tries_again_what_can_pass(failure: RuumError, passes: bool) -> None:
    told = application_error(failure)

    assert failure.passes is passes
    assert told.non_retryable is not passes
    assert told.type == failure.code


def test_a_workflow_tries_a_mistake_of_ours_again_since_it_may_be_mended() -> None:
    assert not application_error(Defect()).non_retryable


def test_what_is_under_way_elsewhere_is_asked_again_soon() -> None:
    assert application_error(StillRunning()).next_retry_delay == timedelta(milliseconds=200)
    assert application_error(NotFound(retry_after=timedelta(seconds=9))).next_retry_delay == timedelta(seconds=9)
