"""Writes letters: one set of blocks, and from them an HTML mail, its plain text twin, or an SMS."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from services.notifier.letters.models import HELP, KINDS, Fact, Letter, Link
from services.texts import Language, Texts, negotiate

_TAGS: Mapping[Language, str] = {"ja": "ja", "en": "en", "zh_Hans": "zh-Hans"}


class Writer:
    """Writes in the reader's language.

    Args:
        portal: the address of the portal, where links lead.
        mail_from: our address; its domain stands in Message-IDs too.
    """

    def __init__(self, texts: Texts, portal: str, mail_from: str) -> None:
        self._texts = texts
        self._portal = portal.rstrip("/")
        self._from = Address("ruum", addr_spec=mail_from)
        templates = Environment(
            loader=PackageLoader("services.notifier.letters"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._html = templates.get_template("mail.html")
        self._text = templates.get_template("mail.txt")

    def write(self, letter: str, tag: str, name: str, facts: Mapping[str, Any]) -> Letter:
        """A letter in the language of `tag`.

        Raises:
            KeyError: there is no such letter, or it lacks a fact: a mistake of ours.
        """
        kind, action = KINDS[letter], KINDS[letter].action
        language = negotiate(tag)

        def said(code: str, **beside: Any) -> str:
            return self._texts.render(code, language, **facts, **beside)

        def link(code: str, path: str) -> Link:
            return Link(said(code), self._portal + path.format(**facts))

        title = said(f"mail-{letter}-subject")
        lead, *more = said(f"mail-{letter}-body").split("\n\n")
        return Letter(
            language=_TAGS[language],
            subject=said("mail-subject-line", subject=title),
            title=title,
            greeting=said("mail-greeting", name=name) if name else said("mail-greeting-nobody"),
            lead=lead,
            digits=str(facts.get("digits", "")),
            facts=tuple(
                (said(f"mail-fact-{fact.name}"), self._written(fact, language, facts))
                for fact in kind.facts
                if fact.source in facts
            ),
            action=link(f"mail-action-{action.name}", action.path) if action else None,
            more=tuple(more),
            closing=said("mail-closing"),
            help=link("mail-help", HELP),
            sender=said("mail-sender"),
        )

    def _written(self, fact: Fact, language: Language, facts: Mapping[str, Any]) -> str:
        return self._texts.render(f"mail-value-{fact.writing}", language, value=facts[fact.source])

    def mail(self, letter: Letter, to: str, delivery_id: str, planned_at: datetime) -> EmailMessage:
        """The same mail, to the letter, for the same delivery, however often it is made."""
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._from
        mail["To"] = Address(addr_spec=to)
        mail["Subject"] = letter.subject
        mail["Date"] = format_datetime(planned_at)
        mail["Message-ID"] = f"<{delivery_id}@{self._from.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self._text.render(letter=letter))
        mail.add_alternative(self._html.render(letter=letter), subtype="html")
        mail["Content-Language"] = letter.language
        mail.set_boundary(delivery_id)
        return mail

    def sms(self, letter: Letter) -> str:
        """What a mail's subject and facts say, and the link."""
        facts = (f"{label}: {value}" for label, value in letter.facts)
        page = letter.action.address if letter.action else ""
        return "\n".join(line for line in (letter.subject, letter.digits, *facts, page) if line)
