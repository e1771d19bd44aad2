"""The loopback ports of a stack: the usual ones, chosen ones, or any that are free."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Collection, Iterable, Mapping

LOOPBACK = "127.0.0.1"

_SERVICES: Mapping[str, int] = {
    "gateway": 8080,
    "identity": 50051,
    "rooms": 50052,
    "points": 50053,
    "store": 50054,
    "sparekey": 50055,
    "notifier": 50056,
    "worker": 50057,
}
USUAL: Mapping[str, int] = {
    **_SERVICES,
    "sandbox": 8090,
    "smtp": 8025,
    "temporal": 7233,
    "temporal-ui": 8233,
    "temporal-http": 7243,
    "temporal-metrics": 7253,
    "postgres": 5440,
    "nats": 4240,
    **{f"{name}-metrics": 9000 + port % 1000 for name, port in _SERVICES.items()},
}

# Below the range from which the kernel hands out ports to outgoing connections: one of those could
# otherwise take a port between its choice and the server's start.
_FIRST, _LAST = 15_000, 30_000
_HIGHEST = 65_535


class PortError(Exception):
    """A port that is taken, or a name that has none; says what to do."""


def chosen(changes: Iterable[str]) -> Mapping[str, int]:
    """The usual ports, some changed by lines such as `gateway=9000`; raises `PortError` for a line that is none."""
    ports = dict(USUAL)
    for change in changes:
        name, _, number = change.partition("=")
        if name not in ports:
            raise PortError(f"no port is called {name}; there are {', '.join(ports)}")
        if not number.isdecimal() or not 0 < int(number) <= _HIGHEST:
            raise PortError(f"{change} gives {name} no port: a number up to {_HIGHEST} is meant")
        ports[name] = int(number)
    return ports


def any_free() -> Mapping[str, int]:
    """A free port for each name, so that stacks run beside each other."""
    return dict(zip(USUAL, free_ports(len(USUAL)), strict=True))


def require_free(ports: Mapping[str, int], names: Collection[str]) -> None:
    """Raises `PortError` that names every port in use and how to choose another."""
    taken = [f"{ports[name]} ({name})" for name in names if not is_free(ports[name])]
    if taken:
        change = next(name for name in names if not is_free(ports[name]))
        raise PortError(
            f"taken by another program: port {', '.join(taken)}; "
            f"choose others, such as --port {change}={free_port()}, or --free-ports for any"
        )


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
