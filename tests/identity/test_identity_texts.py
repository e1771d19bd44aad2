from __future__ import annotations

from typing import get_args

import pytest

from services.identity.journal.models import Happening
from services.identity.settings import Cap, Rules
from services.texts import LANGUAGES, Language, Texts
from tests.identity.world import World

TEXTS = Texts.load()


@pytest.mark.rule("ID-04")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_reasons_for_a_missing_code_are_told_with_our_sending_domain(
    world: World, language: Language
) -> None:
    by_mail = await world.ask_for_code("hana@example.jp")
    by_sms = await world.ask_for_code("090-1234-5678")

    mail = [TEXTS.render(hint, language, domain="ruum.me") for hint in by_mail.hints]
    sms = [TEXTS.render(hint, language, domain="ruum.me") for hint in by_sms.hints]

    assert (len(mail), sum("@ruum.me" in text for text in mail)) == (3, 1)
    assert (len(sms), sum("050" in text for text in sms)) == (2, 1)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("happening", get_args(Happening))
def test_every_line_of_the_security_log_can_be_read(language: Language, happening: str) -> None:
    assert TEXTS.render(f"security-{happening}", language)


def test_the_choices_can_be_set_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUUM_SENDS_PER_ADDRESS", '{"times": 3, "seconds": 60}')
    monkeypatch.setenv("RUUM_SESSION_IDLE", "P7D")

    rules = Rules()

    assert rules.sends_per_address == Cap(times=3, seconds=60)
    assert rules.session_idle.days == 7
