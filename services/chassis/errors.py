"""What can go wrong, said once: kinds, and what each kind is in gRPC, in HTTP and to a caller who may try again.

A named error stands beside the verb that raises it:

    class CouponUsedUp(RuumError):
        kind = Kind.REFUSED
        code = "coupon-used-up"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """The kinds of failure that cross a process; everything else is a defect."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    NOT_ALLOWED = "not-allowed"
    NOT_FOUND = "not-found"
    REFUSED = "refused"
    """The thing's state, or a rule of the business, does not admit it (PR-13)."""
    CHANGED = "changed"
    """Somebody edited the same thing meanwhile."""
    REUSED = "reused"
    """The request id was used for something else (PR-10)."""
    BUSY = "busy"
    """The same request, or one on the same thing, is under way."""
    TOO_MANY = "too-many"
    UNAVAILABLE = "unavailable"
    TOO_LATE = "too-late"
    """The caller's own time limit passed."""
    DEFECT = "defect"


@dataclass(frozen=True)
class Row:
    """What a kind is outside: the name of its gRPC status, its HTTP status, and whether trying again can help."""

    grpc: str
    http: int
    retryable: bool = False


TABLE: Mapping[Kind, Row] = {
    Kind.INVALID: Row("INVALID_ARGUMENT", 400),
    Kind.UNAUTHENTICATED: Row("UNAUTHENTICATED", 401),
    Kind.NOT_ALLOWED: Row("PERMISSION_DENIED", 403),
    Kind.NOT_FOUND: Row("NOT_FOUND", 404),
    Kind.REFUSED: Row("FAILED_PRECONDITION", 409),
    Kind.CHANGED: Row("ABORTED", 412),
    Kind.REUSED: Row("ALREADY_EXISTS", 422),
    Kind.BUSY: Row("ABORTED", 409, retryable=True),
    Kind.TOO_MANY: Row("RESOURCE_EXHAUSTED", 429),
    Kind.UNAVAILABLE: Row("UNAVAILABLE", 503, retryable=True),
    Kind.TOO_LATE: Row("DEADLINE_EXCEEDED", 504, retryable=True),
    Kind.DEFECT: Row("INTERNAL", 500),
}

Param = str | int


@dataclass(frozen=True)
class Violation:
    """One field that is not as it must be: its name, a text code and what the text needs (PR-12)."""

    field: str
    code: str
    params: Mapping[str, Param]


class RuumError(Exception):
    """A failure with a name. Its text is found by `code` and `params` in `services/texts`.

    Args:
        field: the field of the request that it is about.
        retry_after: when trying again can help.
        violations: each field that is wrong, where there may be several.
        params: what the text needs: ids, counts and dates; never personal data (OP-03).
    """

    kind: Kind = Kind.DEFECT
    code: str = "defect"

    def __init__(
        self,
        /,
        *,
        field: str = "",
        retry_after: timedelta | None = None,
        violations: Sequence[Violation] = (),
        **params: Param,
    ) -> None:
        super().__init__(self.code)
        self.field = field
        self.retry_after = retry_after
        self.violations = tuple(violations)
        self.params = params

    @property
    def row(self) -> Row:
        return TABLE[self.kind]

    @property
    def passes(self) -> bool:
        """Whether the very same request can succeed when it is made again."""
        return self.row.retryable or self.retry_after is not None


class RemoteError(RuumError):
    """What another service answered, with the name that it gave the failure."""

    def __init__(
        self,
        kind: Kind,
        code: str,
        /,
        *,
        field: str = "",
        retry_after: timedelta | None = None,
        violations: Sequence[Violation] = (),
        **params: Param,
    ) -> None:
        self.kind = kind
        self.code = code
        super().__init__(field=field, retry_after=retry_after, violations=violations, **params)


class InvalidField(RuumError):
    """Bad input: names the field, the rule and what to do (PR-12)."""

    kind = Kind.INVALID
    code = "invalid-field"


class NotFound(RuumError):
    """There is no such thing, or none that the asker may see (PR-15)."""

    kind = Kind.NOT_FOUND
    code = "not-found"


class NotAllowed(RuumError):
    """The caller may not call this (PR-11)."""

    kind = Kind.NOT_ALLOWED
    code = "not-allowed"


class CallerUnknown(RuumError):
    """No token, or one that proves nothing here (ID-15)."""

    kind = Kind.UNAUTHENTICATED
    code = "caller-unknown"


class AsOfNotAllowed(RuumError):
    """Only the worker states another time than the clock's (PR-05)."""

    kind = Kind.NOT_ALLOWED
    code = "as-of-not-allowed"


class RequestReused(RuumError):
    """The request id came before with other content (PR-10)."""

    kind = Kind.REUSED
    code = "request-id-reused"


class StillRunning(RuumError):
    """The same request is still under way after five seconds (PR-10)."""

    kind = Kind.BUSY
    code = "request-still-running"

    patience: ClassVar[timedelta] = timedelta(seconds=5)


class Crowded(RuumError):
    """Others worked on the same thing for so long that this was given up (PR-06)."""

    kind = Kind.BUSY
    code = "try-again"


class Changed(RuumError):
    """The thing was edited by somebody else since it was read."""

    kind = Kind.CHANGED
    code = "changed-meanwhile"


class Unavailable(RuumError):
    """A service or a partner cannot be reached now."""

    kind = Kind.UNAVAILABLE
    code = "service-unavailable"


class TooLate(RuumError):
    """The time that the caller gave has passed."""

    kind = Kind.TOO_LATE
    code = "deadline-too-short"


AWAY = (Unavailable, TooLate)
"""A neighbour that says nothing in time: it refuses, or it hangs. To be caught where a page is shown without it."""


class Defect(RuumError):
    """A mistake of ours; what it was stands in our log."""
