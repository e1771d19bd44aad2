from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sparekey.numbers.models import KeyNumber, KeyNumberMalformed

ENGRAVED = st.text("0123456789ABCDEFGHIJKLMNPQRSTUVWXYZ", min_size=8, max_size=8)
NOISE = st.lists(st.sampled_from(["", " ", "　", "-", "－", "‐", "–", "\t", " "]), min_size=9, max_size=9)


def full_width(character: str) -> str:
    return chr(ord(character) + 0xFEE0)


@pytest.mark.rule("SK-10")
@given(ENGRAVED, NOISE, st.data())
def test_a_number_is_read_however_it_is_typed(engraved: str, noise: list[str], data: st.DataObject) -> None:
    ways = [
        data.draw(st.sampled_from([sign, sign.lower(), full_width(sign), full_width(sign.lower())]))
        for sign in engraved
    ]
    typed = noise[0] + "".join(way + between for way, between in zip(ways, noise[1:], strict=True))

    assert KeyNumber.read(typed).plain == engraved


@pytest.mark.rule("SK-10")
@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("AO12OO34", "A0120034"),
        ("ao12oo34", "A0120034"),
        ("ＡＯ１２ｏｏ３４", "A0120034"),
        ("ABCDEFGH", "ABCDEFGH"),
        ("12345678", "12345678"),
        ("ab12-cd 34", "AB12CD34"),
    ],
)
def test_the_letter_o_is_a_zero_and_letters_or_digits_alone_will_do(typed: str, read: str) -> None:
    assert KeyNumber.read(typed).plain == read


@pytest.mark.rule("SK-10")
@pytest.mark.parametrize("sign", ["①", "²", "Ⅷ", "ß", "ı", "ſ", "Å", "あ", "ー", "ﾞ", "!", "_", "٣", "Ω", "К"])
def test_what_only_looks_like_a_letter_or_digit_is_refused_at_its_field(sign: str) -> None:
    with pytest.raises(KeyNumberMalformed) as refusal:
        KeyNumber.read(f"AB12CD3{sign}")

    (violation,) = refusal.value.violations
    assert (refusal.value.field, violation.field, violation.code) == (
        "key_number",
        "key_number",
        "key-number-characters",
    )


@pytest.mark.rule("SK-10")
@pytest.mark.parametrize("typed", ["", "AB12CD3", "AB12CD345", "        "])
def test_too_few_or_too_many_are_refused_for_their_number(typed: str) -> None:
    with pytest.raises(KeyNumberMalformed) as refusal:
        KeyNumber.read(typed)

    assert [violation.code for violation in refusal.value.violations] == ["key-number-length"]


@pytest.mark.rule("SK-10")
@given(st.text(max_size=12))
def test_whatever_is_typed_is_a_number_or_a_named_refusal(typed: str) -> None:
    number: KeyNumber | None = None
    with suppress(KeyNumberMalformed):
        number = KeyNumber.read(typed)

    if number is not None:
        assert re.fullmatch("[0-9A-NP-Z]{8}", number.plain)
        # Narrowed by one subtraction, and by nothing that a Unicode table would add.
        assert re.fullmatch(r"[\x21-\x7e\uff01-\uff5e\u2010-\u2015\u2212\s]+", typed)


@pytest.mark.rule("SK-11")
@pytest.mark.parametrize(
    ("plain", "positions"), [("AB12CD34", ()), ("VW68VW68", (1, 2, 3, 4, 5, 6, 7, 8)), ("AV1W6B38", (2, 4, 5, 8))]
)
def test_characters_that_look_alike_are_pointed_out_by_their_place(plain: str, positions: tuple[int, ...]) -> None:
    assert KeyNumber(plain).look_alikes == positions


@pytest.mark.rule("SK-11")
def test_a_number_is_read_back_in_two_groups() -> None:
    assert KeyNumber("AB12CD34").grouped == "AB12 CD34"


@pytest.mark.rule("SK-12")
def test_a_number_shows_its_last_two_and_never_itself() -> None:
    number = KeyNumber("AB12CD34")

    assert number.masked == "••••••34"
    assert "AB12" not in f"{number} {number!r} {[number]} {KeyNumber.read('AB12CD34')}"
