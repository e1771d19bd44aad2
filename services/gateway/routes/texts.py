"""`GET /api/v1/texts?code=…`: what the codes that services answer say to people (PO-10, SK-08)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from services.chassis.errors import InvalidField, Kind, RuumError, Violation
from services.gateway.asking import known
from services.gateway.problems import language_of
from services.texts import Language, Texts

PATH = "/texts"
MOST = 100
_MOST_PARAMS = 20


class UnknownText(RuumError):
    """No text has this code."""

    kind = Kind.NOT_FOUND
    code = "text-unknown"


class Wording:
    """Gives texts.

    A text that speaks of something is asked for with it, as in a URL's query: `key-ordered?promised_on=2026-06-01`.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self.speak_of = {code: tuple(sorted(text.placeholders)) for code, text in sorted(texts.codes("ja").items())}
        """The names of what each text speaks of."""

    async def answer(self, request: Request) -> Response:
        """The texts, by what was asked, in the language of `Accept-Language`; the answer names the language.

        Raises:
            InvalidField: no code, too many, or something else is asked; or a text lacks what it speaks of.
            UnknownText: names the places in the question of the codes that have no text.
        """
        asked = _asked(request)
        unknown = [at for at, one in enumerate(asked) if one.partition("?")[0] not in self.speak_of]
        if unknown:
            raise UnknownText(field="code", violations=[Violation(f"code[{at}]", "text-unknown", {}) for at in unknown])
        language = language_of(request.headers)
        said = {one: self._said(one, language) for one in asked}
        if mute := [at for at, one in enumerate(asked) if said[one] is None]:
            raise InvalidField(violations=[self._lacks(at, asked[at]) for at in mute])
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
        return Response(to_json({"language": language, "texts": said}), 200, headers, "application/json")

    def _said(self, asked: str, language: Language) -> str | None:
        """Nothing where it lacks what it speaks of, or that cannot be read."""
        code, _, given = asked.partition("?")
        try:
            params = dict(parse_qsl(given, keep_blank_values=True, max_num_fields=_MOST_PARAMS))
            return self._texts.render(code, language, **params)
        except (KeyError, TypeError, ValueError):
            return None

    def _lacks(self, at: int, asked: str) -> Violation:
        names = ", ".join(self.speak_of[asked.partition("?")[0]])
        return Violation(f"code[{at}]", "text-speaks-of", {"names": names})


def _asked(request: Request) -> list[str]:
    known(request.query_params, {"code"})
    asked = request.query_params.getlist("code")
    if not 1 <= len(asked) <= MOST:
        rule = "field-repeated-max-items" if asked else "field-required"
        raise InvalidField(field="code", violations=[Violation("code", rule, {})])
    return asked
