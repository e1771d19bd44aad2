from __future__ import annotations

import protovalidate
import pytest

from services.rooms import csv_import
from services.rooms.csv_import import CsvRefused, Line
from services.texts import LANGUAGES, Texts

LINE = {
    "building_code": "B1",
    "building_version": "2",
    "building_name": "サンハイツ",
    "postal_code": "108-0075",
    "prefecture": "東京都",
    "city": "港区",
    "street": "港南2-16-1",
    "e_touch": "true",
    "contact_phone": "0120-000-000",
    "lease_code": "L1",
    "lease_version": "3",
    "room_number": "203",
    "corporate": "false",
    "contractor_name": "山田 太郎",
    "contractor_kana": "ヤマダ タロウ",
    "starts_on": "2026-04-01",
    "ends_on": "",
}


def csv_of(*lines: dict[str, str]) -> str:
    return "\n".join([",".join(LINE), *(",".join((LINE | line).values()) for line in lines)])


@pytest.mark.rule("RM-01")
def test_a_line_is_a_lease_with_its_building() -> None:
    (request,) = csv_import.requests("\ufeff" + csv_of({}, {"lease_code": "L2", "ends_on": "2027-03-31"}))

    assert [building.building_code for building in request.buildings] == ["B1"]
    assert (request.buildings[0].version, request.buildings[0].address.city) == (2, "港区")
    assert request.buildings[0].e_touch
    first, second = request.leases
    assert (first.lease_code, first.version, first.room_number, first.corporate) == ("L1", 3, "203", False)
    assert (first.contractor_name, first.starts_on.iso) == ("山田 太郎", "2026-04-01")
    assert not first.HasField("ends_on")
    assert second.ends_on.iso == "2027-03-31"


@pytest.mark.rule("RM-01")
def test_the_same_file_makes_the_same_requests_and_another_file_others() -> None:
    first, again = (list(csv_import.requests(csv_of({}))) for _ in range(2))
    (other,) = csv_import.requests(csv_of({"room_number": "204"}))

    assert again == first
    assert other.request_id != first[0].request_id


def test_a_long_file_becomes_requests_of_a_thousand_leases_each_with_its_buildings() -> None:
    parts = list(csv_import.requests(csv_of(*({"lease_code": f"L{number}"} for number in range(2500)))))

    assert [len(part.leases) for part in parts] == [1000, 1000, 500]
    assert [len(part.buildings) for part in parts] == [1, 1, 1]
    assert len({part.request_id for part in parts}) == 3


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("starts_on", "2026-02-30"),
        ("ends_on", "never"),
        ("lease_version", "0"),
        ("building_version", "new"),
        ("corporate", "perhaps"),
        ("postal_code", "108"),
        ("contractor_name", " "),
        ("contractor_name", "山" * 129),
        ("contractor_kana", "ヤ" * 129),
        ("building_name", "桜" * 129),
        ("building_code", "B" * 33),
        ("lease_code", "L" * 33),
        ("room_number", "1" * 17),
        ("contact_phone", "0" * 33),
    ],
)
def test_a_wrong_value_is_named_by_line_and_column(column: str, value: str) -> None:
    with pytest.raises(CsvRefused) as refused:
        next(csv_import.requests(csv_of({}, {column: value})))

    (violation,) = refused.value.violations
    assert (violation.field, violation.params) == (f"lines[3].{column}", {"line": 3, "column": column})


def test_what_a_line_admits_the_contract_admits() -> None:
    longest = {
        "building_code": "B" * 32,
        "building_name": "桜" * 128,
        "contact_phone": "0" * 32,
        "lease_code": "L" * 32,
        "room_number": "1" * 16,
        "contractor_name": "山" * 128,
        "contractor_kana": "ヤ" * 128,
    }

    (request,) = csv_import.requests(csv_of(longest))

    protovalidate.validate(request)


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize("broken", [",".join([*LINE.values(), "one more"]), '"' + ",".join(LINE.values())])
def test_a_line_that_cannot_be_read_is_named(broken: str) -> None:
    with pytest.raises(CsvRefused) as refused:
        next(csv_import.requests(f"{csv_of({})}\n{broken}"))

    (violation,) = refused.value.violations
    assert (violation.field, violation.code) == ("lines[3]", "csv-line-unreadable")


@pytest.mark.rule("PR-12")
def test_a_missing_column_is_named() -> None:
    with pytest.raises(CsvRefused) as refused:
        next(csv_import.requests(csv_of({}).replace("ends_on", "until")))

    assert [violation.field for violation in refused.value.violations] == ["lines[1].ends_on"]


def test_the_columns_are_those_of_a_line() -> None:
    assert list(LINE) == list(Line.model_fields)


@pytest.mark.rule("PR-12")
def test_what_is_wrong_with_a_file_is_said_in_each_language() -> None:
    texts = Texts.load()

    for language in LANGUAGES:
        assert "ends_on" in texts.render("csv-column-missing", language, column="ends_on")
        assert "3" in texts.render("csv-line-unreadable", language, line=3)
        said = texts.render("csv-value-wrong", language, line=3, column="ends_on")
        assert "3" in said
        assert "ends_on" in said
