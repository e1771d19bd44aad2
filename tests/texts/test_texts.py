from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import texts as package
from services.texts import LANGUAGES, Language, Texts, UnknownTextError, negotiate

PO_FILES = sorted(Path(package.__file__).parent.glob("locales/*/LC_MESSAGES/*.po"))
KANA = re.compile(r"[ぁ-ゟァ-ヺ]")
HAN = re.compile(r"[一-鿿]")
PLACEHOLDER = re.compile(r"\{[^}]*\}")


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts.load()


def written(tmp_path: Path, **by_language: str) -> Texts:
    """Texts with the one code `said`, as it would stand in a context's file."""
    for language in LANGUAGES:
        folder = tmp_path / language / "LC_MESSAGES"
        folder.mkdir(parents=True, exist_ok=True)
        text = by_language.get(language, by_language["en"])
        (folder / "said.po").write_text(f'msgid "said"\nmsgstr "{text}"\n', "utf-8")
    return Texts.load(tmp_path)


def said(texts: Texts, **params: str | int | date | timedelta) -> list[str]:
    return [texts.render("said", language, **params) for language in LANGUAGES]


@pytest.mark.rule("PR-12")
def test_all_languages_have_the_same_codes_with_the_same_parameters(texts: Texts) -> None:
    japanese = {code: text.placeholders for code, text in texts.codes("ja").items()}

    assert japanese
    for language in LANGUAGES:
        found = {code: text.placeholders for code, text in texts.codes(language).items()}
        assert found == japanese, f"differs from ja: mend services/texts/locales/{language}"


@pytest.mark.rule("PO-10")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_is_in_the_language_of_its_file(texts: Texts, language: Language) -> None:
    for code, text in texts.codes(language).items():
        words = "".join(part for part in text.parts if isinstance(part, str))
        if not re.search(r"[^\W\d_]", words) or words == _words(texts, code, "en") == _words(texts, code, "ja"):
            continue  # only numbers, or a name that is the same everywhere
        assert bool(KANA.search(words) or HAN.search(words)) == (language != "en"), (code, words)
        assert not (language == "zh_Hans" and KANA.search(words)), (code, words)


def test_what_a_setting_may_own_stands_in_no_text_as_a_figure(texts: Texts) -> None:
    figure = re.compile(
        r"[¥￥]\s*\d|\d\s*(円|日元|日間|日以内|天|か月|个月|週間|周|時間|小时|(days?|weeks?|months?|hours?|yen)\b)"
    )
    found = {
        code
        for language in LANGUAGES
        for code, text in texts.codes(language).items()
        if figure.search("".join(part if isinstance(part, str) else "…" for part in text.parts))
    }

    assert found == {"mail-points-granted-body"}  # a point is a yen: PT-20 itself, and no choice of ours


def _words(texts: Texts, code: str, language: Language) -> str:
    return "".join(part for part in texts.codes(language)[code].parts if isinstance(part, str))


@pytest.mark.parametrize("path", PO_FILES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_code_stands_once_in_a_file_in_kebab_case(path: Path) -> None:
    codes = re.findall(r'^msgid "(.+)"', path.read_text("utf-8"), re.MULTILINE)

    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", code) for code in codes)


@pytest.mark.rule("PO-10")
def test_yen_counts_and_days_are_written_as_people_there_write_them(tmp_path: Path) -> None:
    texts = written(tmp_path, en="{price:yen} {points:count} {until:date} {at:instant}")

    assert said(
        texts, price=1500, points=12345, until=date(2026, 7, 3), at=datetime(2026, 7, 3, 15, 4, tzinfo=UTC)
    ) == [
        "1,500円 12,345 2026年7月3日 2026年7月4日 0:04",
        "¥1,500 12,345 July 3, 2026 July 4, 2026 at 12:04\u202fAM (Japan time)",
        "1,500日元 12,345 2026年7月3日 2026年7月4日 00:04（日本时间）",
    ]


@pytest.mark.rule("PR-02")
def test_the_day_of_an_instant_is_that_of_japan(tmp_path: Path) -> None:
    texts = written(tmp_path, en="{until:date}")

    assert said(texts, until=datetime(2026, 7, 3, 15, tzinfo=UTC)) == said(texts, until="2026-07-04")
    assert said(texts, until="2026-07-03T15:00:00Z") == said(texts, until=date(2026, 7, 4))


def test_a_word_follows_its_number(tmp_path: Path) -> None:
    texts = written(
        tmp_path,
        ja="{n:count}ポイント",
        en="{n:count} {n:point|points}",
        zh_Hans="{n:count}点",
    )

    assert said(texts, n=1) == ["1ポイント", "1 point", "1点"]
    assert said(texts, n=2) == ["2ポイント", "2 points", "2点"]


@given(st.integers(0, 10_000_000))
def test_a_wait_is_never_told_shorter_than_it_is(texts: Texts, seconds: int) -> None:
    told = texts.render("rate-limited", "en", retry_after=seconds)

    found = re.search(r"(\d+) (second|minute|hour|day)", told)
    assert found is not None
    lengths = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
    assert int(found[1]) * lengths[found[2]] >= seconds


def test_a_wait_is_told_in_its_largest_unit(tmp_path: Path) -> None:
    texts = written(tmp_path, en="{wait:duration}")

    assert said(texts, wait=timedelta(minutes=5)) == ["5分", "5 minutes", "5分钟"]
    assert said(texts, wait=3600) == ["1時間", "1 hour", "1小时"]
    assert said(texts, wait=14 * 86_400) == ["14日", "14 days", "14天"]
    assert said(texts, wait=61)[1] == "2 minutes"


def test_what_goes_into_a_text_is_not_read_as_one(tmp_path: Path) -> None:
    texts = written(tmp_path, en="{{{name}}}")

    assert said(texts, name="{price:yen} {name}")[1] == "{{price:yen} {name}}"


def test_an_unknown_code_or_a_missing_or_wrong_parameter_is_an_error(tmp_path: Path) -> None:
    texts = written(tmp_path, en="{name} {price:yen}")

    with pytest.raises(UnknownTextError, match="unheard"):
        texts.render("unheard", "ja")
    with pytest.raises(KeyError, match="price"):
        texts.render("said", "ja", name="ruum")
    for wrong in (True, "1,500", "", "9" * 16, date(2026, 7, 3)):
        with pytest.raises(TypeError):
            texts.render("said", "ja", name="ruum", price=wrong)
    with pytest.raises(TypeError, match="format"):
        texts.render("said", "ja", name=date(2026, 7, 3), price=1)


@pytest.mark.parametrize("text", ["", "  ", "{price:euro}", "{name.__class__}", "{0}", "{}", "{name!r}", "{open"])
def test_a_text_that_could_not_be_rendered_stops_the_start_with_its_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"said\.po: said"):
        written(tmp_path, en=text)


def test_a_code_in_two_files_stops_the_start(tmp_path: Path) -> None:
    written(tmp_path, en="first")
    (tmp_path / "en/LC_MESSAGES/store.po").write_text('msgid "said"\nmsgstr "second"\n')

    with pytest.raises(ValueError, match="twice"):
        Texts.load(tmp_path)


@pytest.mark.rule("PO-10")
@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("ja-JP", "ja"),
        ("en_US", "en"),
        ("zh-TW", "zh_Hans"),
        ("zh-Hans-CN", "zh_Hans"),
        ("zh_Hans", "zh_Hans"),
        ("ZH", "zh_Hans"),
        ("fr", "ja"),
        ("fr-FR, en;q=0.3", "en"),
        ("en;q=0.5, zh-CN;q=0.9", "zh_Hans"),
        ("en, ja", "en"),
        ("en;q=0, ko", "ja"),
        ("*", "ja"),
        ("", "ja"),
        ("english please", "ja"),
    ],
)
def test_the_language_asked_for_is_given_when_we_speak_it(asked: str, language: Language) -> None:
    assert negotiate(asked) == language


@given(st.text())
def test_no_header_keeps_a_person_from_being_answered(asked: str) -> None:
    assert negotiate(asked) in LANGUAGES
