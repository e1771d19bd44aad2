"""Partners that speak JSON over HTTP: secret, keys, time limits, and what an answer says of the outcome."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

ANSWERED_WITHIN = 5.0
"""Seconds that one call may take."""
_IN_USE = "idempotency_key_in_use"
# Answers about what was asked; the others are about us, about the load, or from somebody in between.
_JUDGED = frozenset({400, 402, 404, 409, 422})


class OutcomeUnknown(Exception):
    """The partner may or may not have done it: time passed, the connection broke, or it failed inside.

    Args:
        answered: the partner did answer, with a failure of its own, so that nothing is under way any longer.
    """

    def __init__(self, *, answered: bool) -> None:
        super().__init__("answered" if answered else "silent")
        self.answered = answered


class Refused(Exception):
    """The partner answered no, and did nothing.

    Args:
        status: of HTTP.
        code: the partner's own, empty where it gives none.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class JsonPartner:
    """Calls one partner; the connection is kept.

    Args:
        answered_within: seconds that one call may take, from its first byte to its answer's last.
    """

    def __init__(self, url: str, secret: str, answered_within: float = ANSWERED_WITHIN) -> None:
        headers = {"authorization": f"Bearer {secret}"}
        self._answered_within = answered_within
        self._http = httpx.AsyncClient(base_url=url.rstrip("/"), headers=headers, timeout=answered_within)

    async def post(self, path: str, content: dict[str, Any], key: str) -> dict[str, Any]:
        """Has something done, once under this key.

        Raises:
            Refused: it was not done.
            OutcomeUnknown: it may have been.
        """
        return await self._call("POST", path, json=content, headers={"idempotency-key": key})

    async def get(self, path: str, **params: str) -> dict[str, Any]:
        """Looks something up.

        Raises:
            Refused: there is no such thing.
            OutcomeUnknown: the partner does not say.
        """
        return await self._call("GET", path, params=params)

    async def close(self) -> None:
        await self._http.aclose()

    async def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        try:
            # The library counts each step by itself: a partner that drips would never be late.
            async with asyncio.timeout(self._answered_within):
                answer = await self._http.request(method, path, **content)
        except (httpx.HTTPError, TimeoutError) as lost:
            raise OutcomeUnknown(answered=False) from lost
        if answer.is_success:
            return _content(answer)
        if answer.is_server_error:
            raise OutcomeUnknown(answered=True)
        code = _code(answer)
        # The same is under way at the partner under this key: nobody knows yet what becomes of it.
        if code == _IN_USE or answer.status_code not in _JUDGED:
            raise OutcomeUnknown(answered=False)
        raise Refused(answer.status_code, code)


def _content(answer: httpx.Response) -> dict[str, Any]:
    """What the partner says.

    Raises:
        OutcomeUnknown: somebody in between answered, with a page of their own.
    """
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OutcomeUnknown(answered=False)
    return found


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
