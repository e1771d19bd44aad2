"""Reads the texts once, checks that each can be rendered, and renders them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Self

from babel import Locale
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from services.texts.formats import FORMATS, Format, Value, number_word
from services.texts.languages import LANGUAGES, Language

_LOCALES = Path(__file__).parent / "locales"


class UnknownTextError(LookupError):
    """No text has this code: a mistake of ours, since codes and texts are written together."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    name: str
    format: Format

    def render(self, locale: Locale, params: Mapping[str, Value]) -> str:
        try:
            return self.format(params[self.name], locale)
        except (ValueError, OverflowError) as wrong:
            raise TypeError(f"{self.name} cannot be read") from wrong


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence, taken apart when it is read."""

    parts: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts if isinstance(part, Placeholder))

    @classmethod
    def parse(cls, written: str) -> Self:
        """Takes `{name}` and `{name:format}` apart; `{{` is a brace.

        Raises:
            ValueError: an unknown format, or anything else that Python's format strings would allow.
        """
        return cls(tuple(_parts(written)))

    def render(self, locale: Locale, params: Mapping[str, Value]) -> str:
        return "".join(part if isinstance(part, str) else part.render(locale, params) for part in self.parts)


class Texts:
    """The texts of all languages by code."""

    def __init__(self, texts: Mapping[Language, Mapping[str, Text]]) -> None:
        self._texts = texts
        self._locales = {language: Locale.parse(language) for language in LANGUAGES}

    @classmethod
    def load(cls, folder: Path = _LOCALES) -> Self:
        """Reads every `<language>/LC_MESSAGES/*.po`.

        Raises:
            ValueError: naming file and code of a text that is empty, doubtful, there twice or not well formed.
        """
        return cls({language: dict(_read(folder / language / "LC_MESSAGES")) for language in LANGUAGES})

    def codes(self, language: Language) -> Mapping[str, Text]:
        return self._texts[language]

    def render(self, code: str, language: Language, **params: Value) -> str:
        """The text of `code`, with its parameters written as people there write them (PR-12, PO-10).

        Amounts are ints or their digits, days dates or ISO text, instants aware datetimes or ISO text. Parameters that
        the text does not name are left out.

        Raises:
            UnknownTextError: there is no such text.
            KeyError: the text needs a parameter that is not given.
            TypeError: a parameter is not what its format writes.
        """
        try:
            text = self._texts[language][code]
        except KeyError:
            raise UnknownTextError(code) from None
        return text.render(self._locales[language], params)


def _parts(written: str) -> Iterator[str | Placeholder]:
    for literal, name, spec, conversion in Formatter().parse(written):
        if literal:
            yield literal
        if name is None:
            continue
        if not name.isidentifier() or conversion:
            raise ValueError(f"no placeholder of ours: {name!r}")
        yield Placeholder(name, _format(spec or ""))


def _format(spec: str) -> Format:
    if "|" in spec:
        return number_word(spec)
    try:
        return FORMATS[spec]
    except KeyError:
        raise ValueError(f"no format of ours: {spec!r}") from None


def _read(folder: Path) -> Iterator[tuple[str, Text]]:
    seen: set[str] = set()
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, abort_invalid=True)
        for message in catalogue:
            if not message.id:
                continue
            code = str(message.id)
            if code in seen:
                raise ValueError(f"{path}: {code} is there twice")
            seen.add(code)
            yield code, _checked(path, code, message)


def _checked(path: Path, code: str, message: Message) -> Text:
    written = message.string
    if message.fuzzy or not isinstance(written, str) or not written.strip():
        raise ValueError(f"{path}: {code} has no certain text")
    try:
        return Text.parse(written)
    except ValueError as problem:
        raise ValueError(f"{path}: {code}: {problem}") from problem
