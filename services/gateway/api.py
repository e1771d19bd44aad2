"""The JSON API: every endpoint answered by one piece, from the contracts (PO-01, PO-02)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from ruum.common.v1.common_pb2 import Page
from ruum.rooms.v1 import rooms_pb2
from services.gateway.asking import COOKIE, COOKIE_WANTED, asked
from services.gateway.bridge.messages import values_of
from services.gateway.clients import Services
from services.gateway.endpoints import Endpoint
from services.gateway.limits import Limits
from services.gateway.sessions import Sessions, Token

JSON = "application/json"
_MY_ROOMS = rooms_pb2.DESCRIPTOR.services_by_name["RoomsService"].methods_by_name["ListMyRooms"]
_ROOMS_AT_ONCE = 50


class Api:
    """Answers requests.

    Args:
        services: who owns the data.
        sessions: who asks.
        limits: counts what a session asks.
        most: requests a minute of one session.
        ended: is told which session a member has ended.
    """

    def __init__(
        self, services: Services, sessions: Sessions, limits: Limits, most: int, ended: Callable[[str], None]
    ) -> None:
        self._services = services
        self._sessions = sessions
        self._limits = limits
        self._most = most
        self._ended = ended

    async def answer(self, endpoint: Endpoint, request: Request) -> Response:
        """Carries one request out.

        Raises:
            RuumError: why not.
        """
        if not endpoint.signed_in:
            given = await self._services.call(endpoint.rpc, await asked(endpoint, request))
            return self._opened(endpoint, request, given)
        session = self._sessions.session_of(request)
        token = await self._sessions.token(session, endpoint.audience)
        self._limits.count(token.session_id, self._most)
        message: Any = await asked(endpoint, request)
        if endpoint.of_own_rooms:
            message.room_ids.extend(await self._rooms_of(session))
        token, given = await self._sessions.call(session, endpoint.rpc, message)
        return self._closed(endpoint, message, token, _written(endpoint, values_of(given)))

    async def _rooms_of(self, session: str) -> list[str]:
        """The newest of the member's own rooms, as many as may be asked about at once."""
        newest = rooms_pb2.ListMyRoomsRequest(page=Page(size=_ROOMS_AT_ONCE))
        answer: Any
        _, answer = await self._sessions.call(session, _MY_ROOMS, newest)
        return [membership.room_id for membership in answer.rooms]

    def _opened(self, endpoint: Endpoint, request: Request, given: Message) -> Response:
        """The answer; a new session in a cookie instead of the body where a browser asks for that."""
        values = values_of(given)
        session = values.get("signed_in") or values
        if request.query_params.get(COOKIE_WANTED) != COOKIE or not session.get("session_token"):
            return _written(endpoint, values)
        opened, until = session["session_token"], datetime.fromisoformat(session["absolute_until"])
        session["session_token"] = ""
        response = _written(endpoint, values)
        self._sessions.give_cookies(response, opened, until)
        return response

    def _closed(self, endpoint: Endpoint, message: Any, token: Token, response: Response) -> Response:
        """The answer, after which an ended session is forgotten here too."""
        if endpoint.ends_session:
            ended = getattr(message, "session_id", token.session_id)
            self._sessions.forget(ended)
            self._ended(ended)
            if ended == token.session_id:
                self._sessions.take_cookies(response)
        return response


def _written(endpoint: Endpoint, values: dict[str, Any]) -> Response:
    headers = {"Cache-Control": "no-store"}
    if endpoint.answers_version:
        headers["ETag"] = f'"{values["version"]}"'
    return Response(to_json(values), headers=headers, media_type=JSON)
