"""Leases from a CSV of the contract master, on the whole system (RM-01)."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from tests.journeys.command import ruum
from tests.journeys.town import Town
from tests.rooms.test_lease_csv import csv_of


@pytest.mark.rule("RM-01")
async def test_a_file_is_imported_and_the_same_again_changes_nothing(town: Town, tmp_path: Path) -> None:
    folder, mark = town.stack.table.home.folder, uuid4().hex[:8]
    file = tmp_path / "leases.csv"
    file.write_text(
        csv_of(*({"building_code": f"B-{mark}", "lease_code": f"L-{mark}-{n}", "room_number": str(n)} for n in (1, 2)))
    )

    first = await ruum(folder, "rooms", "import", str(file))
    file.write_text(file.read_text() + "\n")
    later = await ruum(folder, "rooms", "import", str(file))
    home = await town.household()
    pair = await town.seed.code_pair(f"L-{mark}-2")

    assert first.out.splitlines() == [
        "buildings: 1 changed, 0 not newer than ours",
        "leases: 2 changed, 0 not newer than ours",
    ]
    assert later.out.splitlines() == [
        "buildings: 0 changed, 1 not newer than ours",
        "leases: 0 changed, 2 not newer than ours",
    ]
    assert (await home.resident.register_room(pair.code1, pair.code2)).startswith("room_")


@pytest.mark.rule("PR-12")
async def test_a_file_with_mistakes_imports_nothing_and_names_lines_and_columns(town: Town, tmp_path: Path) -> None:
    folder, mark = town.stack.table.home.folder, uuid4().hex[:8]
    lines = ({"lease_code": f"L-{mark}"}, {"starts_on": "2026-02-30"}, {"room_number": "1" * 17})
    (tmp_path / "leases.csv").write_text(csv_of(*lines))
    (tmp_path / "shift-jis.csv").write_bytes(csv_of({}).encode("shift_jis"))

    refused = await ruum(folder, "rooms", "import", str(tmp_path / "leases.csv"), speaks="ja")
    unread = await ruum(folder, "rooms", "import", str(tmp_path / "shift-jis.csv"))
    unknown = await ruum(folder, "desk", "codes", f"L-{mark}")

    assert (refused.code, refused.out) == (1, "")
    assert "3行目の「starts_on」" in refused.err
    assert "4行目の「room_number」" in refused.err
    assert unread.code == 2
    assert "not in UTF-8" in unread.err
    assert "[not-found]" in unknown.err
