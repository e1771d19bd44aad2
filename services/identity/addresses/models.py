"""An address at which a member can be reached, and the one way in which it is written (ID-03, ID-13)."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Self

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from services.chassis.errors import Kind, RuumError
from services.identity.models import Channel

_REGION = "JP"


class AddressMalformed(RuumError):
    """Neither an email address nor a telephone number."""

    kind = Kind.INVALID
    code = "address-malformed"


class NumberWithoutSms(RuumError):
    """A 050 number: those may not receive SMS, email does (ID-03)."""

    kind = Kind.INVALID
    code = "number-without-sms"


class NumberNotMobile(RuumError):
    """A number that is not a Japanese mobile one: no SMS goes there (ID-03)."""

    kind = Kind.INVALID
    code = "number-not-mobile"


@dataclass(frozen=True, repr=False)
class Address:
    """An email address or a mobile number; all its spellings are equal.

    Attributes:
        value: the email address in lower case with its domain in ASCII, or the number as E.164.
    """

    channel: Channel
    value: str

    @classmethod
    def read(cls, written: str) -> Self:
        """Reads an address as people write it, also in full-width characters.

        Raises:
            AddressMalformed: neither an email address nor a telephone number.
            NumberWithoutSms: a 050 number.
            NumberNotMobile: a fixed or a foreign number.
        """
        narrow = unicodedata.normalize("NFKC", written).strip()
        return cls("email", _email(narrow)) if "@" in narrow else cls("sms", _mobile(narrow))

    @property
    def block(self) -> str:
        """The ten thousand numbers among which a number is; an email address stands alone."""
        return self.value[:-4] if self.channel == "sms" else self.value


def telephone(written: str) -> str | None:
    """A Japanese number of any kind as E.164, to call, not to write to; None for anything else (ID-03)."""
    number = _number(unicodedata.normalize("NFKC", written))
    if number is None or not phonenumbers.is_valid_number_for_region(number, _REGION):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _email(written: str) -> str:
    try:
        found = validate_email(written, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as refused:
        raise AddressMalformed(field="address") from refused
    return f"{found.local_part}@{found.ascii_domain}".lower()


def _mobile(written: str) -> str:
    number = _number(written)
    if number is None or not phonenumbers.is_valid_number(number):
        raise AddressMalformed(field="address")
    kind = phonenumbers.number_type(number)
    japanese = phonenumbers.is_valid_number_for_region(number, _REGION)
    if japanese and kind == PhoneNumberType.VOIP:
        raise NumberWithoutSms(field="address")
    if not japanese or kind != PhoneNumberType.MOBILE:
        raise NumberNotMobile(field="address")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _number(written: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(written, _REGION)
    except NumberParseException:
        return None
