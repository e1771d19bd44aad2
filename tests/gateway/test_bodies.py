"""Whatever is sent: it is read as the contract says, or refused with the field and what to do; never a 5xx (PR-12)."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from services.chassis.ids import new_id
from services.gateway import asking
from tests.gateway.fakes import Fake
from tests.gateway.house import House

Neighbours = Mapping[str, Fake]
JSON = {"Content-Type": "application/json"}
SIGN_IN = b'{"address":"hana@example.jp","password":"pw","language":"ja"}'


async def sent(house: House, body: Any, **headers: str) -> Any:
    return await house.post("/api/v1/sessions", content=body, headers=JSON | headers)


@pytest.mark.rule("PO-01")
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b'{"address": NaN}',
        b'{"address": Infinity}',
        b'{"address": 1' + b"0" * 5000 + b"}",
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"address": "\xff\xfe"}',
        b'{"address": "\\ud800"}',
        b'{"address": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        SIGN_IN + b" {}",
        b'{"address": "a\x01b"}',
        "あ".encode("utf-16"),
    ],
    ids=range(17),
)
async def test_what_is_no_json_object_in_utf_8_is_refused(house: House, neighbours: Neighbours, body: bytes) -> None:
    answer = await sent(house, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "body-unreadable")
    assert not neighbours["identity"].asked


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"address": 7}, ("address", "field-not-string")),
        ({"address": ["a"]}, ("address", "field-not-string")),
        ({"address": None}, ("address", "field-not-string")),
        ({"address": True}, ("address", "field-not-string")),
        ({"nonsense": 1}, ("nonsense", "field-unknown")),
        ({"request_id": "12345678"}, ("request_id", "field-unknown")),
        ({"client": "somebody-else"}, ("client", "field-unknown")),
        ({"as_of": "2026-01-01T00:00:00Z"}, ("as_of", "field-unknown")),
        ({"x" * 500: 1}, ("x" * 80, "field-unknown")),
        ({"address": "a\u0000b"}, ("address", "field-invalid")),
        ({"language": "fr"}, ("language", "field-string-in")),
        ({"password": "あ" * 700}, ("password", "field-string-max-bytes")),
    ],
)
async def test_a_field_that_is_not_right_is_named(house: House, values: dict[str, Any], wrong: tuple[str, str]) -> None:
    good = {"address": "hana@example.jp", "password": "pw", "language": "ja"}

    answer = await house.post("/api/v1/sessions", json=good | values)

    assert answer.status_code == 400
    assert [(found["field"], found["code"]) for found in answer.json()["errors"]] == [wrong]


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"points_some": "7"}, ("points_some", "field-not-int64")),
        ({"points_some": 1.5}, ("points_some", "field-not-int64")),
        ({"points_some": 1e400}, ("points_some", "field-not-int64")),
        ({"points_some": None}, ("points_some", "field-not-int64")),
        ({"points_some": 2**63}, ("points_some", "field-not-int64")),
        ({"points_some": 10**400}, ("points_some", "field-not-int64")),
        ({"points_some": -1}, ("points_some", "field-int64-gte-lte")),
        ({"keep_card": 1}, ("keep_card", "field-not-bool")),
        ({"means": "gold"}, ("means", "field-choice")),
        ({"means": ["card"]}, ("means", "field-choice")),
        ({"means": {}}, ("means", "field-choice")),
        ({"means": "unspecified"}, ("means", "field-choice")),
        ({"recipient": "Hana"}, ("recipient", "field-not-object")),
        ({"recipient": {"name": 7}}, ("recipient.name", "field-not-string")),
        ({"recipient": {"age": 7}}, ("recipient.age", "field-unknown")),
        ({"recipient": {"name": "x" * 65}}, ("recipient.name", "field-string-max-len")),
    ],
    ids=range(16),
)
async def test_a_value_of_another_kind_is_named_with_its_place(
    house: House, session: str, values: dict[str, Any], wrong: tuple[str, str]
) -> None:
    path = f"/api/v1/checkouts/{new_id('ord')}"
    body = str({"version": 1} | values).replace("'", '"').replace("inf", "1e400").replace("None", "null")

    answer = await house.post(path, session, verb="PATCH", content=body, headers=JSON)

    assert answer.status_code == 400
    assert [(found["field"], found["code"]) for found in answer.json()["errors"]] == [wrong]


async def test_items_of_a_list_are_named_by_their_place(house: House, session: str) -> None:
    path = f"/api/v1/rooms/{new_id('room')}/removals"

    for members, field in (("mem", "member_ids"), (["a", 7], "member_ids[1]"), ([], "member_ids")):
        answer = await house.post(path, session, json={"member_ids": members})
        assert (answer.status_code, [found["field"] for found in answer.json()["errors"]]) == (400, [field])


async def test_of_many_mistakes_the_first_are_told(house: House) -> None:
    answer = await house.post("/api/v1/sessions", json={f"nonsense{number}": 1 for number in range(3_000)})

    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == 20


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", ""]
)
async def test_a_body_that_is_not_called_json_is_not_read(house: House, neighbours: Neighbours, kind: str) -> None:
    answer = await sent(house, SIGN_IN, **{"Content-Type": kind})

    assert (answer.status_code, answer.json()["code"]) == (415, "body-not-json")
    assert not neighbours["identity"].asked


async def test_a_charset_may_be_named_and_a_packed_body_may_not_come(house: House) -> None:
    with_charset = await sent(house, SIGN_IN, **{"Content-Type": "Application/JSON; charset=utf-8"})
    packed = await sent(house, gzip.compress(SIGN_IN), **{"Content-Encoding": "gzip"})

    assert (with_charset.status_code, packed.status_code) == (200, 415)


async def test_a_body_is_bounded_whether_it_says_its_length_or_not(house: House, neighbours: Neighbours) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    said = await sent(house, b" " * (64 * 1024 + 1))
    streamed = await sent(house, endless())

    assert [answer.status_code for answer in (said, streamed)] == [413, 413]
    assert said.json()["code"] == "body-too-large"
    assert not neighbours["identity"].asked


async def test_a_body_that_does_not_come_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_BODY_PATIENCE", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.http.base_url.port)
    head = (
        "POST /api/v1/sessions HTTP/1.1\r\nHost: ruum\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {uuid4()}\r\nContent-Length: 50\r\n\r\n{{"
    )

    writer.write(head.encode())
    told = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
    writer.close()

    assert b"408" in told


async def test_who_leaves_in_the_middle_of_a_body_disturbs_nobody(house: House, neighbours: Neighbours) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", house.http.base_url.port)
    writer.write(
        b"POST /api/v1/sessions HTTP/1.1\r\nHost: ruum\r\nContent-Type: application/json\r\n"
        b"Idempotency-Key: 12345678\r\nContent-Length: 50\r\n\r\n{"
    )
    await writer.drain()
    writer.close()

    assert (await sent(house, SIGN_IN)).status_code == 200
    assert len(neighbours["identity"].asked) == 1


async def test_a_command_without_fields_needs_no_body(house: House, session: str) -> None:
    path = f"/api/v1/spare-keys/drafts/{new_id('ord')}"

    without = await house.post(path, session, verb="DELETE")
    empty = await house.post(path, session, verb="DELETE", json={})
    more = await house.post(path, session, verb="DELETE", json={"order_id": new_id("ord")})

    assert [answer.status_code for answer in (without, empty, more)] == [200, 200, 400]


async def test_a_command_knows_no_query(house: House, session: str) -> None:
    answer = await house.post("/api/v1/rooms/preview?code1=x", session, json={})

    assert [wrong["field"] for wrong in answer.json()["errors"]] == ["code1"]


async def test_strange_headers_break_nothing(house: House) -> None:
    strange = {
        "Authorization": "Bearer \xe9\xff" + "x" * 30,
        "Cookie": "=;;; __Host-ruum=\xff; x",
        "Accept-Language": "*;q=x, \xff",
        "X-Request-Id": "../../etc\xff",
        "X-Forwarded-For": ",,\xff",
        "Last-Event-ID": "\xff-9",
        "If-Match": "\xff",
    }
    written = [(name.encode(), value.encode("latin-1")) for name, value in strange.items()]

    for path in ("/api/v1/points", "/api/v1/events", "/api/v1/products"):
        assert (await house.http.get(path, headers=written)).status_code < 500
