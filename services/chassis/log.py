"""JSON log lines on stdout that hold ids, codes, counts, durations and states, and nothing personal (OP-03).

Services log with `structlog.get_logger().warning("maker away", order_id=…)`; the door binds what holds for a whole
call (request id, method, role of the caller), so that each line of it has that.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from enum import Enum
from functools import lru_cache
from pathlib import Path
from traceback import walk_tb
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from services.chassis.errors import RuumError

MASKED = "[masked]"

_PLAIN_NAME = r"[A-Za-z0-9/{][A-Za-z0-9_.:/{}-]{0,159}"
_OUR_ID = r"(?:[a-z-]+/)?[a-z][a-z0-9]{1,11}_[0-9a-hjkmnp-tv-z]{26}"
# Which keys are printed, and how their values must be written: what nobody thought of is masked, not leaked.
_PLAIN = [
    (re.compile(key), re.compile(value))
    for key, value in (
        (r"event|level|timestamp|service", r"(?s:.*)"),
        (
            r"(request|trace|span|workflow)_id|rpc|route|method|caller|subject|consumer|schema|logger",
            _PLAIN_NAME,
        ),
        (r"\w+_id", _OUR_ID),
        (
            r"(action|chore|code|kind|means|outcome|partner|reason|state|status|step)|\w+_(kind|state)",
            r"[A-Za-z][A-Za-z_-]{0,63}|[0-9]{3}",
        ),
        (r"count|attempt|port|pid|version|\w+_(count|ms|seconds)", r"-?[0-9]+(\.[0-9]+)?(e-[0-9]+)?"),
        (r"deadline|last_day|as_of|due", r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.+]+)?"),
    )
]
_OUR_EVENT = re.compile(r"[a-z][a-z .-]{0,79}")
_TELLING_WORD = re.compile(r"\S*[^\sA-Za-z%.,:;!?()_-]\S*")
_ROOT = Path(__file__).parents[2]


def configure(service: str, level: str) -> None:
    """Sends all log lines of this process, also those of libraries, to stdout as JSON (OP-31).

    `level` holds for our own lines. Libraries are heard from `warning` on: what they say of ordinary work may
    repeat what was asked of them.
    """

    def sign(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        line["service"] = service
        return line

    rendering: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        sign,
        mask,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    structlog.configure(
        processors=[_our_event, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _foreign_event,
                *rendering,
            ],
            use_get_message=False,
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    sys.excepthook = _log_crash
    threading.excepthook = lambda crash: _log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)


def mask(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Describes the exception, if any, and masks each value that key and writing do not clear (OP-03)."""
    error = line.pop("exc_info", None)
    line.pop("stack_info", None)
    masked = {key: _plain(key, value) for key, value in line.items()}
    if error is True:
        error = sys.exception()
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        masked["errors"] = describe(error)
    return masked


def describe(error: BaseException) -> list[dict[str, object]]:
    """What may be said of an error and those behind it: type, our places, our code (OP-03).

    Never a message: those of libraries quote data.
    """
    return [
        {"type": f"{type(link).__module__}.{type(link).__qualname__}"}
        | ({"code": link.code} if isinstance(link, RuumError) else {})
        | {"frames": list(_our_frames(link.__traceback__))}
        for link in _chain(error, seen=set())
    ]


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _chain(member, seen)
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    yield from _chain(behind, seen)


def _our_frames(trace: TracebackType | None) -> Iterator[str]:
    for frame, line in walk_tb(trace):
        place = Path(frame.f_code.co_filename)
        if place.is_relative_to(_ROOT) and (inner := place.relative_to(_ROOT)).parts[0] in {
            "services",
            "workflows",
            "deploy",
        }:
            yield f"{inner}:{line} {frame.f_code.co_name}"


@lru_cache(maxsize=1024)
def _pattern(key: str) -> re.Pattern[str] | None:
    return next((value for known, value in _PLAIN if known.fullmatch(key)), None)


def _plain(key: str, value: object) -> object:
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(key, item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    written = _written(value)
    pattern = _pattern(key)
    if pattern is None or not pattern.fullmatch(str(written)):
        return MASKED
    return written


def _written(value: object) -> str | int | float:
    if isinstance(value, Enum):
        return _written(value.value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, int | float) else str(value)


def _our_event(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    # Words only: what was formatted into the event would bypass the mask.
    if not _OUR_EVENT.fullmatch(str(line.get("event"))):
        line["event"] = MASKED
    return line


def _foreign_event(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    # Libraries format data into their messages: the template's first line without its telling words remains.
    first = str(line.get("event")).partition("\n")[0]
    line["event"] = _TELLING_WORD.sub("…", first)[:160]
    return line


def _log_crash(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), trace)
        return
    structlog.get_logger().critical("crashed", exc_info=error)
