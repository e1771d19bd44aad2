from __future__ import annotations

from pathlib import Path

import pytest

from services.chassis import protos


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("protos")
    protos.generate(folder)
    return folder


def modules(root: Path) -> dict[str, str]:
    found = [path for path in root.rglob("*_pb2*") if path.suffix in {".py", ".pyi"}]
    return {str(path.relative_to(root)): path.read_text("utf-8") for path in found}


def test_the_committed_modules_are_what_the_contracts_say(generated: Path) -> None:
    committed, fresh = modules(protos.ROOT), modules(generated)

    assert sorted(committed) == sorted(fresh), "a module too many or too few: run `ruum protos`"
    assert [name for name in fresh if committed[name] != fresh[name]] == [], "run `ruum protos`"


def test_every_contract_has_its_modules(generated: Path) -> None:
    names = {source.removesuffix(".proto") for source in protos.sources()}

    assert len(names) >= 10
    assert {f"{name}_pb2.py" for name in names} <= set(modules(generated))
