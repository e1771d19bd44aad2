"""How a letter is written: in the reader's language, in two forms that say the same."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest

from services.notifier.letters.domain import Writer
from services.notifier.letters.models import KINDS, Letter
from services.texts import LANGUAGES, Language, Texts
from tests.notifier.world import PORTAL

FACTS: dict[str, Any] = {
    "order_id": "ord_01jzzzzzzzzzzzzzzzzzzzzzzz",
    "promised_dispatch_on": "2026-05-12",
    "promised_on": "2026-05-12",
    "deadline": "2026-05-10",
    "held_until": "2026-05-10",
    "due_on": "2026-05-30",
    "tracking_number": "123-45",
    "carrier": "post",
    "charge": 935,
    "claims_until": "2026-05-22",
    "days": 7,
    "points": 1234,
    "sequence": 2,
    "expires_at": datetime(2026, 5, 3, 6, 4, tzinfo=UTC),
}
EVERY_LETTER = [pytest.param(letter, language, id=f"{letter}-{language}") for letter in KINDS for language in LANGUAGES]


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer(Texts.load(), PORTAL, "no-reply@ruum.me")


def sent(writer: Writer, letter: Letter) -> EmailMessage:
    """The mail as it arrives."""
    mail = writer.mail(letter, "hana@example.jp", "dlv_1", datetime(2026, 5, 3, tzinfo=UTC))
    return message_from_bytes(mail.as_bytes(), EmailMessage, policy=policy.default)


def part(mail: EmailMessage, subtype: str) -> str:
    body = mail.get_body((subtype,))
    assert body is not None
    return str(body.get_content())


class Words(HTMLParser):
    """What a person reads on a page, and what it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip() and self.tags[-1][0] not in {"style", "title"}:
            self.words.append(data.strip())


@pytest.mark.parametrize(("letter", "language"), EVERY_LETTER)
def test_text_and_page_of_a_mail_say_the_same(writer: Writer, letter: str, language: Language) -> None:
    digits = {"digits": "042137"} if letter in {"code-sign-up", "code-new-device"} else {}

    mail = sent(writer, writer.write(letter, language, "山田 太郎", FACTS | digits))

    page, text = Words(part(mail, "html")), part(mail, "plain")
    assert [words for words in page.words[2:] if words not in text] == []  # after the brand and the subject
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == re.findall(r"https://\S+", text)
    assert len(links) == (2 if KINDS[letter].action else 1)
    assert str(page.words[1]) in mail["Subject"]
    assert "{" not in text


@pytest.mark.parametrize(
    ("language", "tag", "greeting"),
    [("ja", "ja", "山田 様"), ("en", "en", "Dear 山田,"), ("zh_Hans", "zh-Hans", "山田 您好：")],
)
def test_a_mail_is_in_the_readers_language_and_says_which(
    writer: Writer, language: Language, tag: str, greeting: str
) -> None:
    mail = sent(writer, writer.write("key-handed-over", language, "山田", FACTS))

    page = Words(part(mail, "html"))
    assert ("html", {"lang": tag}) in page.tags
    assert mail["Content-Language"] == tag
    assert greeting in page.words


@pytest.mark.parametrize("language", ["", "fr", "ko-KR"])
def test_who_reads_none_of_our_languages_gets_the_binding_one(writer: Writer, language: str) -> None:
    assert writer.write("key-handed-over", language, "", FACTS).language == "ja"


@pytest.mark.parametrize("letter", KINDS)
def test_a_page_needs_no_tables_pictures_or_scripts(writer: Writer, letter: str) -> None:
    page = Words(part(sent(writer, writer.write(letter, "en", "Hana", FACTS)), "html"))

    used = [tag for tag, _ in page.tags]
    assert not {"table", "img", "script", "iframe", "link"} & set(used)
    assert used.count("h1") == used.count("main") == 1


def test_a_name_is_text_and_never_markup(writer: Writer) -> None:
    mail = sent(writer, writer.write("key-handed-over", "en", "<b>Hana</b> {order_id}", FACTS))

    assert "&lt;b&gt;Hana&lt;/b&gt; {order_id}" in part(mail, "html")
    assert "<b>Hana</b> {order_id}" in part(mail, "plain")


def test_the_same_delivery_is_the_same_mail_to_the_letter(writer: Writer) -> None:
    letter = writer.write("key-handed-over", "ja", "山田 太郎", FACTS)

    assert sent(writer, letter).as_bytes() == sent(writer, letter).as_bytes()


def test_an_sms_is_short_and_leads_to_the_page(writer: Writer) -> None:
    letter = writer.write("key-number-asked", "ja", "山田 太郎", FACTS)

    assert writer.sms(letter).split("\n") == [
        "[ruum] 要ご回答：鍵番号をご確認ください",
        "ご回答の期限（当日中）: 2026年5月10日",
        f"{PORTAL}/orders/{FACTS['order_id']}/key-number",
    ]
