"""A named failure on the wire: `google.rpc.Status` with the standard details, and back again (PR-12)."""

from __future__ import annotations

import json
from typing import cast

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

from services.chassis.errors import (
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
    TooLate,
    Unavailable,
    Violation,
)

_DETAILS = "grpc-status-details-bin"
_DOMAIN = "ruum"
_PARAM = "param."
_KINDS = {kind.value: kind for kind in Kind}
# Trailing metadata of more than 8 KiB is refused by the other end: a form's first mistakes are enough.
_MOST_VIOLATIONS = 20


def _remote(general: type[RuumError]) -> type[RemoteError]:
    return cast("type[RemoteError]", type(f"Remote{general.__name__}", (RemoteError, general), {}))


# What a neighbour says is a RemoteError and can be caught as what it is in general: `except Unavailable`.
_GENERAL = (InvalidField, CallerUnknown, NotAllowed, NotFound, Changed, RequestReused, Crowded, Unavailable, TooLate)
_REMOTE = {general.kind: _remote(general) for general in _GENERAL}


def status(failure: RuumError) -> tuple[grpc.StatusCode, tuple[tuple[str, bytes]]]:
    """The gRPC status of a failure, and the trailing metadata with its details."""
    name = failure.row.grpc
    answer = status_pb2.Status(code=code_pb2.Code.Value(name), message=failure.code)
    said = {"kind": failure.kind.value, "field": failure.field}
    said |= {f"{_PARAM}{key}": json.dumps(value) for key, value in failure.params.items()}
    answer.details.add().Pack(error_details_pb2.ErrorInfo(reason=failure.code, domain=_DOMAIN, metadata=said))
    if failure.violations:
        first = map(_written, failure.violations[:_MOST_VIOLATIONS])
        answer.details.add().Pack(error_details_pb2.BadRequest(field_violations=first))
    if failure.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(failure.retry_after)
        answer.details.add().Pack(retry)
    return grpc.StatusCode[name], ((_DETAILS, answer.SerializeToString()),)


def failure(call: grpc.aio.AioRpcError) -> RuumError:
    """What went wrong at the other end, by the name it has there."""
    trailing = call.trailing_metadata()
    details = trailing.get(_DETAILS) if trailing is not None else None
    if isinstance(details, bytes):
        return _named(status_pb2.Status.FromString(details))
    # Not from a door of ours: the way there, or the library.
    match call.code():
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            return Unavailable()
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return TooLate()
        case _:
            return Defect()


def _named(answer: status_pb2.Status) -> RemoteError:
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    told = [detail.DESCRIPTOR for packed in answer.details for detail in (info, bad, retry) if packed.Unpack(detail)]
    params = {
        key.removeprefix(_PARAM): json.loads(value) for key, value in info.metadata.items() if key.startswith(_PARAM)
    }
    kind = _KINDS.get(info.metadata["kind"], Kind.DEFECT)  # a neighbour of another release may know more
    return _REMOTE.get(kind, RemoteError)(
        kind,
        info.reason,
        field=info.metadata["field"],
        retry_after=retry.retry_delay.ToTimedelta() if retry.DESCRIPTOR in told else None,
        violations=[_read(violation) for violation in bad.field_violations],
        **params,
    )


def _written(violation: Violation) -> error_details_pb2.BadRequest.FieldViolation:
    return error_details_pb2.BadRequest.FieldViolation(
        field=violation.field, reason=violation.code, description=json.dumps(dict(violation.params))
    )


def _read(violation: error_details_pb2.BadRequest.FieldViolation) -> Violation:
    return Violation(violation.field, violation.reason, json.loads(violation.description))
