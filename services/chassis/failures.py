"""A named failure on the wire: `google.rpc.Status` with the standard details, and back again (PR-12)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2, error_details_pb2, status_pb2

from services.chassis.errors import TABLE, Kind, Param, RemoteError, RuumError, Unavailable, Violation

_DETAILS = "grpc-status-details-bin"
_DOMAIN = "ruum"
_KINDS = {row.grpc: kind for kind, row in TABLE.items()}


def status(failure: RuumError) -> tuple[grpc.StatusCode, bytes]:
    """The gRPC status of a failure, and its details for the trailing metadata."""
    name = failure.row.grpc
    answer = status_pb2.Status(code=code_pb2.Code.Value(name), message=failure.code)
    params = {"field": failure.field} if failure.field else {}
    params |= {f"param.{key}": _written(value) for key, value in failure.params.items()}
    details: list[error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo]
    details = [error_details_pb2.ErrorInfo(reason=failure.code, domain=_DOMAIN, metadata=params)]
    if failure.violations:
        details.append(error_details_pb2.BadRequest(field_violations=map(_violation, failure.violations)))
    if failure.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(failure.retry_after)
        details.append(retry)
    for detail in details:
        answer.details.add().Pack(detail)
    return grpc.StatusCode[name], answer.SerializeToString()


def metadata(details: bytes) -> tuple[tuple[str, bytes]]:
    return ((_DETAILS, details),)


def failure(call: grpc.aio.AioRpcError) -> RuumError:
    """What went wrong at the other end, by the name it has there."""
    trailing = call.trailing_metadata()
    details = trailing.get(_DETAILS) if trailing is not None else None
    kind = _KINDS.get(call.code().name, Kind.UNAVAILABLE if call.code() == grpc.StatusCode.CANCELLED else Kind.DEFECT)
    if not isinstance(details, bytes):
        return Unavailable() if kind is Kind.UNAVAILABLE else RemoteError(kind, kind.value)
    return _named(kind, status_pb2.Status.FromString(details))


def _named(kind: Kind, answer: status_pb2.Status) -> RemoteError:
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry: timedelta | None = None
    for detail in answer.details:
        if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = _delay(detail)
        else:
            _ = detail.Unpack(info) or detail.Unpack(bad)
    params = {key.removeprefix("param."): _read(value) for key, value in info.metadata.items() if key != "field"}
    return RemoteError(
        kind,
        info.reason or kind.value,
        field=info.metadata.get("field", ""),
        retry_after=retry,
        violations=[Violation(v.field, v.reason, _params(v.description)) for v in bad.field_violations],
        **params,
    )


def _delay(detail: Any) -> timedelta:
    retry = error_details_pb2.RetryInfo()
    detail.Unpack(retry)
    delay: timedelta = retry.retry_delay.ToTimedelta()
    return delay


def _violation(violation: Violation) -> error_details_pb2.BadRequest.FieldViolation:
    return error_details_pb2.BadRequest.FieldViolation(
        field=violation.field,
        reason=violation.code,
        description="&".join(f"{key}={_written(value)}" for key, value in violation.params.items()),
    )


def _params(description: str) -> Mapping[str, Param]:
    pairs = (pair.split("=", 1) for pair in description.split("&") if "=" in pair)
    return {key: _read(value) for key, value in pairs}


def _written(value: Param) -> str:
    return f"#{value}" if isinstance(value, int) else value


def _read(value: str) -> Param:
    return int(value[1:]) if value.startswith("#") and value[1:].lstrip("-").isdigit() else value
