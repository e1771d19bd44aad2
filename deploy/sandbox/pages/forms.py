"""Small things that all pages need: addresses to return to, what a form sent, the words of the person's language."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.sandbox.pages.words import WORDS

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


def web_address(url: str) -> str:
    """The address itself.

    Raises:
        ValueError: it is not one that a browser can be sent to.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError("not a web address")
    return url


def back_to(url: str, **told: str) -> Response:
    """Sends the person back with something added to the address's query."""
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *told.items()])
    return RedirectResponse(urlunsplit(parts._replace(query=query)), 303)


async def sent(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


def page(request: Request, template: str, status: int = 200, **values: object) -> Response:
    """A page in the language of `lang`, else of the browser, else in Japanese."""
    words = WORDS[_language(request)]
    html = _templates.get_template(template).render(words=words, lang=_language(request), **values)
    return HTMLResponse(html, status, {"referrer-policy": "no-referrer", "cache-control": "no-store"})


def _language(request: Request) -> str:
    accepted = request.headers.get("accept-language", "").split(",")
    for wish in [request.query_params.get("lang", ""), *accepted]:
        if wish.strip()[:2] in WORDS:
            return wish.strip()[:2]
    return "ja"
