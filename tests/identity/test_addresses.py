from __future__ import annotations

import pytest

from services.chassis.errors import Kind, RuumError
from services.identity.addresses.models import Address, AddressMalformed, NumberNotMobile, NumberWithoutSms, telephone

NUMBERS = [
    "09012345678",
    "090-1234-5678",
    " 090 1234 5678 ",
    "(090)1234-5678",
    "+81 90 1234 5678",
    "+819012345678",
    "+81 (0)90-1234-5678",
    "０９０－１２３４－５６７８",
    "０９０ー１２３４ー５６７８",
    "＋８１９０１２３４５６７８",
    "819012345678",
]
EMAILS = [
    "hana.sato@example.jp",
    "Hana.Sato@EXAMPLE.JP",
    " hana.sato@example.jp ",
    "ｈａｎａ．ｓａｔｏ＠ｅｘａｍｐｌｅ．ｊｐ",
    "hana.sato@example。jp",
]


@pytest.mark.rule("ID-03")
@pytest.mark.parametrize("written", NUMBERS)
def test_all_spellings_of_a_number_are_one(written: str) -> None:
    assert Address.read(written) == Address("sms", "+819012345678")


@pytest.mark.parametrize("written", EMAILS)
def test_all_spellings_of_an_email_address_are_one(written: str) -> None:
    assert Address.read(written) == Address("email", "hana.sato@example.jp")


def test_a_domain_in_japanese_is_written_as_mail_servers_know_it() -> None:
    assert Address.read("hana@日本語.jp").value == "hana@xn--wgv71a119e.jp"


@pytest.mark.parametrize("one", ["hana@example.jp", "hana+ruum@example.jp", "hana@example.com"])
@pytest.mark.parametrize("other", ["h.ana@example.jp", "hana@sub.example.jp"])
def test_addresses_of_different_people_stay_apart(one: str, other: str) -> None:
    assert Address.read(one) != Address.read(other)


@pytest.mark.rule("ID-03")
@pytest.mark.parametrize("written", ["050-1234-5678", "+81 50 1234 5678", "０５０１２３４５６７８"])
def test_a_050_number_gets_no_sms_but_the_advice_to_use_email(written: str) -> None:
    with pytest.raises(NumberWithoutSms) as refused:
        Address.read(written)

    assert (refused.value.kind, refused.value.field) == (Kind.INVALID, "address")


@pytest.mark.rule("ID-03")
@pytest.mark.parametrize("written", ["03-1234-5678", "0120-123-456", "+1 650 253 0000", "+86 131 2345 6789"])
def test_only_japanese_mobile_numbers_get_sms(written: str) -> None:
    with pytest.raises(NumberNotMobile):
        Address.read(written)


@pytest.mark.parametrize("prefix", ["060", "070", "080", "090"])
def test_every_mobile_prefix_counts(prefix: str) -> None:
    assert Address.read(f"{prefix}-1234-5678").channel == "sms"


@pytest.mark.parametrize(
    "written",
    ["", "   ", "hana", "hana@", "@example.jp", "hana@localhost", "a@b@example.jp", "090-1234-567", "12345", "\0", "@"],
)
def test_what_is_neither_is_refused_at_its_field(written: str) -> None:
    with pytest.raises(AddressMalformed) as refused:
        Address.read(written)

    assert (refused.value.kind, refused.value.field) == (Kind.INVALID, "address")


def test_a_refusal_never_repeats_what_was_entered() -> None:
    with pytest.raises(RuumError) as refused:
        Address.read("hana-no-himitsu@")

    assert "hana" not in f"{refused.value!r} {refused.value.params} {Address('email', 'hana@example.jp')!r}"


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("03-1234-5678", "+81312345678"),
        ("050-1234-5678", "+815012345678"),
        ("０９０-1234-5678", "+819012345678"),
        ("+1 650 253 0000", None),
        ("12", None),
        ("電話", None),
    ],
)
def test_any_japanese_number_can_be_rung(written: str, number: str | None) -> None:
    assert telephone(written) == number
