"""Writes letters: one set of blocks, and from them an HTML mail, its plain text twin, or an SMS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from services.notifier.letters.models import HELP, KINDS, NUMBER, SUMS, Fact, Letter, Link, Receipt
from services.notifier.ports import Line, Purchase
from services.texts import Language, Texts, negotiate

NO_PURCHASE = Purchase({}, ())
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

    def write(
        self, letter: str, tag: str, name: str, known: Mapping[str, Any], purchase: Purchase = NO_PURCHASE
    ) -> Letter:
        """A letter in the language of `tag`, from what its event says and, where it is about an order, from that.

        Raises:
            KeyError: there is no such letter, or it lacks a fact: a mistake of ours.
        """
        kind, action = KINDS[letter], KINDS[letter].action
        language = negotiate(tag)
        facts = {**purchase.facts, **known}

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
            facts=self._listed((NUMBER, *kind.facts), language, facts),
            receipt=Receipt(
                title=said("mail-receipt"),
                lines=tuple(self._line(line, language) for line in purchase.lines),
                sums=self._listed(SUMS, language, facts),
            )
            if kind.receipt
            else None,
            action=link(f"mail-action-{action.name}", action.path) if action else None,
            more=tuple(more),
            closing=said("mail-closing"),
            help=link("mail-help", HELP),
            sender=said("mail-sender"),
        )

    def _listed(
        self, listed: Iterable[Fact], language: Language, facts: Mapping[str, Any]
    ) -> tuple[tuple[str, str], ...]:
        """Labels and values of those that are known."""
        return tuple(
            (self._texts.render(f"mail-fact-{fact.name}", language, **facts), self._written(fact, language, facts))
            for fact in listed
            if fact.source in facts
        )

    def _written(self, fact: Fact, language: Language, facts: Mapping[str, Any]) -> str:
        value = facts[fact.source]
        if fact.writing == "word":
            return self._texts.render(f"mail-{fact.name}-{value}", language)
        return self._texts.render(f"mail-value-{fact.writing}", language, value=value)

    def _line(self, line: Line, language: Language) -> tuple[str, str]:
        reckoned = {"price": line.unit_price, "quantity": line.quantity, "amount": line.amount}
        return line.name[language], self._texts.render("mail-line", language, **reckoned)

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
        mail.set_boundary(delivery_id)  # instead of a random one, which would make another mail of each try
        return mail

    def sms(self, letter: Letter) -> str:
        """What a mail's subject and facts say, and the link."""
        facts = (f"{label}: {value}" for label, value in letter.facts)
        page = letter.action.address if letter.action else ""
        return "\n".join(line for line in (letter.subject, letter.digits, *facts, page) if line)
