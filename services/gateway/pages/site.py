"""Small pages that work without JavaScript: each link of each mail answers (PO-10, OP-11)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import Response

from ruum.sparekey.v1 import sparekey_pb2
from ruum.store.v1 import store_pb2
from services.chassis.errors import Kind, RuumError
from services.chassis.ids import new_id
from services.gateway.limits import Limits
from services.gateway.pages.orders import Orders, Outcome, Standing
from services.gateway.pages.table import PAGES, Page
from services.gateway.problems import NotSignedIn, Problems, SessionOver, language_of
from services.gateway.routes.resource import Resource
from services.gateway.sessions import Sessions
from services.texts import Language, Texts, negotiate

STYLE = "/static/ruum.css"
_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_TAGS: Mapping[Language, str] = {"ja": "ja", "en": "en", "zh_Hans": "zh-Hans"}
_A_DAY = "public, max-age=86400"
_KEY_ORDER = sparekey_pb2.DESCRIPTOR.services_by_name["SparekeyService"].methods_by_name["GetKeyOrder"]
_DRAFT = sparekey_pb2.DESCRIPTOR.services_by_name["SparekeyService"].methods_by_name["GetDraft"]
_PAYER_RETURNED = store_pb2.DESCRIPTOR.services_by_name["StoreService"].methods_by_name["PayerReturned"]
# An id of no form of ours names nothing, as one that is another's.
_NOT_THEIRS = {Kind.NOT_FOUND, Kind.INVALID}


class Site:
    """Answers with pages.

    Args:
        most: requests a minute of one session.
        help_mail: where people write to.
    """

    def __init__(
        self, sessions: Sessions, limits: Limits, most: int, problems: Problems, texts: Texts, help_mail: str
    ) -> None:
        self._sessions = sessions
        self._limits = limits
        self._most = most
        self._problems = problems
        self._texts = texts
        self._orders = Orders(texts)
        self._help_mail = help_mail
        self._style = (Path(__file__).parent / "static" / "ruum.css").read_bytes()
        templates = Environment(
            loader=PackageLoader("services.gateway.pages"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._template = templates.get_template("page.html")

    def resources(self) -> list[Resource]:
        """Every page, and what they look like."""
        pages = [Resource(page.path, {"GET": partial(self._answer, page)}) for page in PAGES]
        return [*pages, Resource(STYLE, {"GET": self._styled})]

    async def _styled(self, _request: Request) -> Response:
        return Response(self._style, headers={"Cache-Control": _A_DAY}, media_type="text/css")

    async def _answer(self, page: Page, request: Request) -> Response:
        language = language_of(request.headers)
        if page.shows == "nothing":
            return self._written(page.name, language)
        try:
            session = self._sessions.session_of(request)
            token = await self._sessions.token(session, "sparekey")
            self._limits.count(token.session_id, self._most)
            order_id = request.path_params["order_id"]
            language = negotiate(token.language)
            if page.shows == "payer":
                return await self._returned(page, session, order_id, language)
            return self._written(page.name, language, standing=await self._standing(session, order_id, language))
        except (NotSignedIn, SessionOver):
            return self._written(page.name, language, signed_out=True)
        except RuumError as failure:
            return self._trouble(failure, language)

    async def _standing(self, session: str, order_id: str, language: Language) -> Standing:
        asked = sparekey_pb2.GetKeyOrderRequest(order_id=order_id)
        _, order = await self._sessions.call(session, _KEY_ORDER, asked)
        return self._orders.standing(order, language)

    async def _returned(self, page: Page, session: str, order_id: str, language: Language) -> Response:
        """The payer is back: the partner is asked what they decided (ST-21).

        It may be asked however often: the partner's word counts each time, and what is no news leaves no trace.
        """
        returned = store_pb2.PayerReturnedRequest(request_id=new_id("req"), order_id=order_id)
        payment = await self._theirs(session, _PAYER_RETURNED, returned)
        order = await self._theirs(session, _KEY_ORDER, sparekey_pb2.GetKeyOrderRequest(order_id=order_id))
        if order is None:  # what could not be paid is a draft again
            await self._sessions.call(session, _DRAFT, sparekey_pb2.GetDraftRequest(order_id=order_id))
        placed = order is not None and order.state != sparekey_pb2.CASE_STATE_PLACING
        return self._written(
            page.name,
            language,
            outcome=self._orders.outcome(payment, language, placed=placed),
            standing=self._orders.standing(order, language) if placed else None,
        )

    async def _theirs(self, session: str, rpc: MethodDescriptor, asked: Message) -> Any:
        """What the service has of the member's; nothing where it has nothing."""
        try:
            return (await self._sessions.call(session, rpc, asked))[1]
        except RuumError as failure:
            if failure.kind not in _NOT_THEIRS:
                raise
            return None

    def _trouble(self, failure: RuumError, language: Language) -> Response:
        if failure.kind in _NOT_THEIRS:
            return self._written("nothing", language, status=404)
        return self._written("trouble", language, status=failure.row.http, why=self._problems.title(failure, language))

    def _written(
        self,
        name: str,
        language: Language,
        *,
        status: int = 200,
        signed_out: bool = False,
        standing: Standing | None = None,
        outcome: Outcome | None = None,
        why: str = "",
    ) -> Response:
        said = partial(self._texts.render, language=language)
        page = self._template.render(
            said=said,
            tag=_TAGS[language],
            style=STYLE,
            title=said(f"page-{name}-title"),
            lead=why or said(f"page-{name}-lead", mail=self._help_mail),
            mail=self._help_mail if name == "help" else "",
            signed_out=signed_out,
            standing=standing,
            outcome=outcome,
        )
        headers = {
            "Content-Language": _TAGS[language],
            "Content-Security-Policy": _POLICY,
            "Cache-Control": "no-store",
        }
        return Response(page, status, headers, "text/html")
