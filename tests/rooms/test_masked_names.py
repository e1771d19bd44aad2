from __future__ import annotations

import pytest

from services.rooms.leases.models import initials


@pytest.mark.rule("RM-02")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("山田 太郎", "山＊ 太＊"),
        ("山田　太郎", "山＊ 太＊"),
        ("山田太郎", "山＊"),
        ("王 偉", "王＊ 偉＊"),
        ("スミス・ジョン", "ス＊ ジ＊"),
        ("か\u3099まの 花", "が＊ 花＊"),
        ("Taro Yamada", "T. Y."),
        ("élodie martin", "É. M."),
        ("Ｊｏｈｎ　Ｓｍｉｔｈ", "Ｊ. Ｓ."),
        ("  山田  太郎 ", "山＊ 太＊"),
    ],
)
def test_of_a_person_the_first_characters_of_the_names_are_shown(name: str, shown: str) -> None:
    assert initials(name, corporate=False) == shown


@pytest.mark.rule("RM-02")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("株式会社サンプル商事", "株式会社サ＊"),
        ("サンプル商事株式会社", "サ＊株式会社"),
        ("（株）サンプル", "（株）サ＊"),
        ("医療法人 青葉会", "医療法人青＊"),
        ("Sample Trading K.K.", "S. T. K."),
    ],
)
def test_of_a_company_its_form_and_first_character_are_shown(name: str, shown: str) -> None:
    assert initials(name, corporate=True) == shown
