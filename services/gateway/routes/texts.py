"""`GET /api/v1/texts?code=…`: what the codes that services answer say to people (PO-10, SK-08)."""

from __future__ import annotations

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from services.chassis.errors import InvalidField, Kind, RuumError, Violation
from services.gateway.asking import known
from services.gateway.problems import language_of
from services.texts import Texts

PATH = "/texts"
MOST = 100


class UnknownText(RuumError):
    """No text has this code, or it cannot be read without what it speaks of."""

    kind = Kind.NOT_FOUND
    code = "text-unknown"


class Wording:
    """Gives texts."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self.codes = tuple(sorted(code for code, text in texts.codes("ja").items() if not text.placeholders))
        """Of the texts that are whole by themselves."""

    async def answer(self, request: Request) -> Response:
        """The texts of the codes, in the language of `Accept-Language`; the answer names the language.

        Raises:
            InvalidField: no code, too many, or something else is asked.
            UnknownText: names the places in the question of the codes that have no text.
        """
        asked = _codes(request)
        wrong = [at for at, code in enumerate(asked) if code not in self.codes]
        if wrong:
            raise UnknownText(field="code", violations=[Violation(f"code[{at}]", "text-unknown", {}) for at in wrong])
        language = language_of(request.headers)
        texts = {code: self._texts.render(code, language) for code in asked}
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
        return Response(to_json({"language": language, "texts": texts}), 200, headers, "application/json")


def _codes(request: Request) -> list[str]:
    known(request.query_params, {"code"})
    asked = request.query_params.getlist("code")
    if not 1 <= len(asked) <= MOST:
        rule = "field-repeated-max-items" if asked else "field-required"
        raise InvalidField(field="code", violations=[Violation("code", rule, {})])
    return asked
