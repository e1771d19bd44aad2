"""Leases from a CSV of the contract master, as the requests that bring them (RM-01)."""

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ruum.common.v1.common_pb2 import Address
from ruum.rooms.v1.rooms_pb2 import Building, ImportLeasesRequest, Lease
from services.chassis import wire
from services.chassis.errors import Kind, RuumError, Violation

_PER_REQUEST = 1000

# As long as the contract admits, so that what is too long is named by its line.
Code = Annotated[str, Field(min_length=1, max_length=32)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
Filled = Annotated[str, Field(min_length=1)]
Version = Annotated[int, Field(gt=0)]


class CsvRefused(RuumError):
    """The file is not as it must be; each violation names line and column."""

    kind = Kind.INVALID
    code = "lease-csv-refused"


class Line(BaseModel):
    """One lease with its building; the fields are the file's columns, days are written 2026-04-01."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)

    building_code: Code
    building_version: Version
    building_name: Name
    postal_code: Annotated[str, Field(pattern=r"^[0-9]{3}-?[0-9]{4}$")]
    prefecture: Filled
    city: Filled
    street: Filled
    e_touch: bool
    contact_phone: Annotated[str, Field(max_length=32)]
    lease_code: Code
    lease_version: Version
    room_number: Annotated[str, Field(min_length=1, max_length=16)]
    corporate: bool
    contractor_name: Name
    contractor_kana: Annotated[str, Field(max_length=128)]
    starts_on: date
    ends_on: Annotated[date | None, BeforeValidator(lambda written: written or None)]

    def building(self) -> Building:
        address = wire.write(Address, self, building=None)
        return wire.write(Building, self, version=self.building_version, name=self.building_name, address=address)

    def lease(self) -> Lease:
        return wire.write(Lease, self, version=self.lease_version)


def requests(content: str) -> Iterator[ImportLeasesRequest]:
    """The requests that import a file; those of the same file are the same, so that it may be sent again.

    Args:
        content: the text of the CSV, whose first line names the columns of `Line`.

    Raises:
        CsvRefused: a column is missing, or values are wrong; before the first request is given.
    """
    lines = _read(content)
    name = hashlib.sha256(content.encode()).hexdigest()[:32]
    for start in range(0, len(lines), _PER_REQUEST):
        part = lines[start : start + _PER_REQUEST]
        buildings = {(line.building_code, line.building_version): line.building() for line in part}
        yield ImportLeasesRequest(
            request_id=f"csv-{name}-{start}",
            buildings=buildings.values(),
            leases=[line.lease() for line in part],
        )


def _read(content: str) -> list[Line]:
    rows = csv.DictReader(io.StringIO(content.removeprefix("\ufeff")), strict=True)
    missing = [column for column in Line.model_fields if column not in (rows.fieldnames or ())]
    if missing:
        raise CsvRefused(
            violations=[Violation(f"lines[1].{column}", "csv-column-missing", {"column": column}) for column in missing]
        )
    lines: list[Line] = []
    wrong: list[Violation] = []
    try:
        for row in rows:
            wrong += _take(row, rows.line_num, lines)
    except csv.Error:
        wrong.append(_unreadable(rows.line_num + 1))  # where it begins: a quotation may run to the end
    if wrong:
        raise CsvRefused(violations=wrong)
    return lines


def _take(row: dict[str | Any, Any], number: int, lines: list[Line]) -> list[Violation]:
    if None in row:  # what stands beyond the last column
        return [_unreadable(number)]
    try:
        lines.append(Line.model_validate(row))
    except ValidationError as refused:
        return [_violation(number, str(error["loc"][0])) for error in refused.errors()]
    return []


def _unreadable(line: int) -> Violation:
    return Violation(f"lines[{line}]", "csv-line-unreadable", {"line": line})


def _violation(line: int, column: str) -> Violation:
    return Violation(f"lines[{line}].{column}", "csv-value-wrong", {"line": line, "column": column})
