"""Examples of the contracts' messages, made of the rules of their fields and of words that residents would use."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.gateway.bridge.messages import DAY, INSTANT, is_map, kind_of, words
from services.gateway.bridge.rules import constraints

_ID = re.compile(r"\^\(?([a-z]+_)\[0-9a-z\]\{26\}")
_ULID = "01jv8z5k3q4t6w7x9y2abcdefg"
_IDS = {
    "member_id": "mem_",
    "order_id": "ord_",
    "room_id": "room_",
    "flow_id": "flow_",
    "session_id": "ses_",
    "payment_id": "pay_",
    "entry_id": "ent_",
    "card_id": "card_",
    "invoice_id": "inv_",
    "line_id": "lin_",
    "member_ids": "mem_",
    "product_id": "prd_",
    "removed_member_ids": "mem_",
}
_WORDS = {
    "address": "hana@example.jp",
    "birth_date": "1990-04-01",
    "brand": "visa",
    "building": "サンライト緑町 203",
    "building_code": "B-0142",
    "building_name": "サンライト緑町",
    "calendar_version": "2026.1",
    "campaign_id": "opening-2026",
    "cancel_reason": "key-number-not-confirmed",
    "cancellation_version": "2026-04-01",
    "card_brand": "visa",
    "card_last4": "4242",
    "carrier": "post",
    "category": "spare-key",
    "city": "武蔵野市",
    "code": "482915",
    "code1": "7K4M-2XQ9",
    "code2": "H3TP-8WVD",
    "contact_phone": "0422-00-0000",
    "contractor_initials": "見＊ 花＊",
    "coupon_code": "SPARE300",
    "decline_code": "card-declined-expired",
    "device_token": "dt_5nJ0cBzq8mYw2K",
    "document": "terms",
    "email": "hana@example.jp",
    "en": "Spare key",
    "guide": "key-guide-blue-key",
    "hints": "code-missing-spam",
    "ja": "合鍵",
    "kana": "ミホン ハナコ",
    "key_number": "AB12CD34",
    "key_number_grouped": "AB12 CD34",
    "key_number_masked": "••••••34",
    "kind": "granted",
    "language": "ja",
    "last4": "4242",
    "link": "https://ruum.example/rooms/register?code=7K4M2XQ9",
    "lot_kind": "limited",
    "name": "見本 花子",
    "next": "key-next-number-checked",
    "next_cursor": "",
    "notices": "key-notice-address",
    "notices_version": "2026-12-01.935.1",
    "order_number": "4025183907",
    "password": "correct horse battery staple",
    "phone": "+819012345678",
    "picture": "key-ic",
    "postal_code": "180-0012",
    "preview_id": "pv_8Kd2mQ5rT1",
    "prefecture": "東京都",
    "reason": "lease-ended",
    "redirect_url": "https://pay.example/3ds/9f2c",
    "refusal": "key-room-lease-ended",
    "remarks": "表札は出していません。",
    "room_number": "203",
    "sending_domain": "ruum.me",
    "session_token": "st_9vRw3hTq1LxZ7c",
    "sku": "key-ic",
    "snapshot_hash": "5f" * 32,
    "street": "緑町9丁目8番7号",
    "telephone": "+81422000000",
    "terms_version": "2026-04-01",
    "tracking_number": "123-45-67890-1",
    "version": "2026-01",
    "wish_date": "2026-06-10",
    "zh_hans": "备用钥匙",
}
# What a field is called is not always what it holds.
_HERE: dict[tuple[str, str], Any] = {
    ("Checkout", "notices"): "price-changed",
    ("Coupon", "code"): "SPARE300",
    ("Options", "params"): {"charge": "935", "months": "1"},
    ("TimelineEntry", "code"): "key-ordered",
    ("TimelineEntry", "params"): {"promised_on": "2026-06-01"},
}


def example(message: Descriptor, names: frozenset[str] | None = None) -> dict[str, Any]:
    """A message as somebody would send or get it; of its fields those with these names, or all.

    Raises:
        LookupError: a field for which there is no word yet.
    """
    return {field.name: _field(field) for field in message.fields if names is None or field.name in names}


def _field(field: FieldDescriptor) -> Any:
    if is_map(field):
        return _HERE[_place(field)]
    return [_one(field)] if field.is_repeated else _one(field)


def _one(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return next(iter(words(field.enum_type).values()))
    if field.message_type is None:
        return _plain(field)
    plain = {DAY: "2026-05-31", INSTANT: "2026-05-31T15:00:00Z"}
    return plain.get(field.message_type.full_name) or example(field.message_type)


def _plain(field: FieldDescriptor) -> Any:
    if kind_of(field) != "string":
        return kind_of(field) == "bool" or 1
    rules = constraints(field).string
    if choices := list(getattr(rules, "in")):
        return choices[0]
    if rules.len:
        return "5f" * (rules.len // 2)
    prefix = found[1] if (found := _ID.match(rules.pattern)) else _IDS.get(field.name)
    if prefix:
        return prefix + _ULID
    try:
        return _HERE.get(_place(field)) or _WORDS[field.name]
    except KeyError:
        raise LookupError(f"add a word for {field.full_name} to _WORDS of {__name__}") from None


def _place(field: FieldDescriptor) -> tuple[str, str]:
    return field.containing_type.name if field.containing_type else "", field.name
