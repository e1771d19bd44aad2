"""The way to reach us about a wrong address, with product and room already named (SK-29).

A mail, until inquiries are taken in the portal.
"""

from __future__ import annotations

from urllib.parse import quote

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from ruum.sparekey.v1 import sparekey_pb2
from services.gateway.asking import known
from services.gateway.limits import Limits
from services.gateway.problems import language_of
from services.gateway.sessions import Sessions
from services.texts import Texts

PATH = "/spare-keys/drafts/{order_id}/wrong-address"
DRAFT = sparekey_pb2.DESCRIPTOR.services_by_name["SparekeyService"].methods_by_name["GetDraft"]


class Reaching:
    """Says where to write to.

    Args:
        most: requests a minute of one session.
        mail: where people write to.
    """

    def __init__(self, sessions: Sessions, limits: Limits, most: int, texts: Texts, mail: str) -> None:
        self._sessions = sessions
        self._limits = limits
        self._most = most
        self._texts = texts
        self._mail = mail

    async def wrong_address(self, request: Request) -> Response:
        """Address and subject of the mail, and both as a link.

        Raises:
            RuumError: why the asker has no such draft, or who answers is missing.
        """
        known(request.query_params, ())
        session = self._sessions.session_of(request)
        self._limits.count((await self._sessions.token(session, "sparekey")).session_id, self._most)
        asked = sparekey_pb2.GetDraftRequest(order_id=request.path_params["order_id"])
        _, draft = await self._sessions.call(session, DRAFT, asked)
        language = language_of(request.headers)
        (line,) = draft.checkout.lines
        subject = self._texts.render(
            "wrong-address-subject",
            language,
            product=getattr(line.name, language.lower()),
            building=draft.building_name,
            room=draft.room_number,
        )
        link = f"mailto:{self._mail}?subject={quote(subject)}"
        said = {"mail": self._mail, "subject": subject, "link": link}
        return Response(to_json(said), headers={"Cache-Control": "no-store"}, media_type="application/json")
