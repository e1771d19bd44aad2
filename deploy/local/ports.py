"""Which loopback ports are free."""

from __future__ import annotations

import secrets
import socket

LOOPBACK = "127.0.0.1"

# Below the range from which the kernel hands out ports to outgoing connections: one of those could
# otherwise take a port between its choice and the server's start.
_FIRST, _LAST = 15_000, 30_000


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports on which nothing listens."""
    found: set[int] = set()
    while len(found) < count:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if is_free(port):
            found.add(port)
    return list(found)


def free_port() -> int:
    """One loopback port on which nothing listens."""
    return free_ports(1)[0]
