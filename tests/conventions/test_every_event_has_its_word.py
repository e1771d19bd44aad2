"""The one table of what is said, against the contracts and the texts."""

from __future__ import annotations

import re

from ruum.store.v1 import store_pb2
from services.chassis.events import subject
from services.notifier.events import TABLE, Silent, handlers
from services.notifier.letters.models import KINDS, NUMBER, SUMS
from services.sparekey.cases.models import CARRIER, POST
from services.sparekey.cases.waiting import Reminder
from services.texts import Texts
from tests.conventions.events import CONTRACTS, messages, name
from tests.conventions.rules import ROOT

MEANS = {word.removeprefix("MEANS_").lower() for word, number in store_pb2.Means.items() if number}
TRIED = ("test_what_is_said.py", "test_codes_and_sms.py")


def test_every_event_has_a_message_or_a_reason_for_silence() -> None:
    events = set(messages())

    assert len(events) > 30
    assert set(TABLE) == events, (
        "a row in TABLE of services/notifier/events.py says what is told of it, or why nothing is"
    )
    assert all(row.because for row in TABLE.values() if isinstance(row, Silent))


def test_every_event_that_we_speak_of_is_listened_to() -> None:
    speaks = {kind for kind, row in TABLE.items() if not isinstance(row, Silent)}

    assert set(handlers()) == speaks


def test_every_event_that_we_speak_of_and_every_letter_is_tried() -> None:
    tried = "".join((ROOT / "tests/notifier" / name).read_text("utf-8") for name in TRIED)
    words = {*re.findall(r"\b\w+\.\w+\b", tried), *re.findall(r'"([\w-]+)"', tried)}
    # A code's letter is chosen by what its envelope says that it is for.
    letters = {letter.removeprefix("code-") for letter in KINDS}

    assert (letters | {name(kind) for kind in handlers()}) - words == set(), (
        "it has no row in SAID of tests/notifier/test_what_is_said.py, which tries what TABLE says"
    )


def test_every_reminder_has_its_letter() -> None:
    assert {f"reminder-{reminder}" for reminder in Reminder} == {it for it in KINDS if it.startswith("reminder-")}, (
        "a reminder of services/sparekey/cases/waiting.py is sent as the letter `reminder-<its word>`"
    )


def test_the_contract_says_where_each_event_is_published() -> None:
    said = {place for path in CONTRACTS for place in re.findall(r"// (ruum\.\w+\.\w+\.v1)", path.read_text("utf-8"))}
    published = {subject(*name(kind).split(".")) for kind in messages()}

    assert published - said == set(), "the comment of the message names its subject"


def test_every_letter_has_its_words_and_every_word_its_letter() -> None:
    letters = {f"mail-{letter}-{part}" for letter in KINDS for part in ("subject", "body")}
    actions = {f"mail-action-{kind.action.name}" for kind in KINDS.values() if kind.action}
    listed = {NUMBER, *SUMS, *(fact for kind in KINDS.values() for fact in kind.facts)}
    facts = {f"mail-fact-{fact.name}" for fact in listed}
    writings = {f"mail-value-{fact.writing}" for fact in listed if fact.writing != "word"}
    words = {f"mail-carrier-{carrier}" for carrier in (POST, CARRIER)} | {f"mail-means-{means}" for means in MEANS}
    receipt = {"mail-receipt", "mail-line"}
    shared = {f"mail-{part}" for part in ("greeting", "greeting-nobody", "subject-line", "closing", "help", "sender")}

    written = {code for code in Texts.load().codes("ja") if code.startswith("mail-")}

    needed = letters | actions | facts | writings | words | receipt | shared
    assert written == needed, "a letter stands in KINDS of services/notifier/letters/models.py and in notifier.po"
