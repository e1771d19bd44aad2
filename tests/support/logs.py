"""Logging is of the whole process: what a test configures is undone."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def kept() -> Iterator[None]:
    """Handlers, levels and the hooks for crashes are afterwards what they were; inside there is no handler yet."""
    rendering = structlog.get_config()
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level = list(root.handlers), root.level
    root.handlers.clear()
    try:
        yield
    finally:
        structlog.configure(**rendering)
        root.handlers[:] = handlers
        root.setLevel(level)
        sys.excepthook, threading.excepthook = hooks


def ours() -> list[logging.Handler]:
    """The handlers that are not the test runner's own."""
    return [one for one in logging.getLogger().handlers if not type(one).__module__.startswith("_pytest.")]
