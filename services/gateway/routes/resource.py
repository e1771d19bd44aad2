"""One path: who answers which method there, and what is said to the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.gateway.problems import WrongMethod

Answer = Callable[[Request], Awaitable[Response]]


class Resource:
    """An ASGI application of one path.

    Args:
        path: as it is declared; stands in log lines and metrics in place of the one that was asked for.
        answers: by method; HEAD is answered as GET.
    """

    def __init__(self, path: str, answers: Mapping[str, Answer]) -> None:
        self.path = path
        self._answers = dict(answers)
        if "GET" in answers:
            self._answers["HEAD"] = answers["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answers.get(scope["method"])
        if answer is None:
            raise WrongMethod(", ".join(sorted(self._answers)))
        response = await answer(Request(scope, receive))
        await response(scope, receive, send)
