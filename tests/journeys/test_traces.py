"""Whoever searches for nothing must be able to find something."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from tests.journeys.traces import Secret, found

NAME = Secret("name", "薬袋 瑠璃子")
CODE = Secret("code", "042137", short=True)


@pytest.mark.parametrize("secret", [NAME, CODE, Secret("number", "KQ71ZT94")], ids=lambda secret: secret.name)
@pytest.mark.parametrize("before", ["", " ", "  ", '{"x":"'])
def test_a_secret_is_found_however_it_is_written(secret: Secret, before: str) -> None:
    told = f"{before}{secret.value} "
    ways = {
        "plain": told.encode(),
        "json": json.dumps(told).encode(),
        "url": quote(told).encode() if secret is not CODE else told.encode(),
        "hex": told.encode().hex().encode(),
        "base64": base64.b64encode(told.encode()),
        "base64 for urls": base64.urlsafe_b64encode(told.encode()),
    }

    assert found([secret], ways) == [f"{secret.name} in {way}" for way in ways]


def test_a_code_is_not_taken_for_a_part_of_another_number() -> None:
    assert found([CODE], {"log": b"at 12:00:00.042137 order 1042137 ord_042137a"}) == []
