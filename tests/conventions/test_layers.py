"""`.importlinter` says who may import whom; here breaches of each contract are planted and must be found."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.conventions.rules import ROOT

BREACHES = [
    ("contexts", "services.store.orders.domain", "services.points.ledger.domain"),
    ("contexts", "services.chassis.db", "services.texts"),
    ("contexts", "services.texts.catalogue", "services.gateway.problems"),
    ("mains", "services.rooms.servicer", "services.rooms.main"),
    ("mains", "services.sparekey.processes", "workflows.worker"),
    ("doors", "services.store.checkout.domain", "services.store.clients.points"),
    ("doors", "services.store.servicer", "services.store.payments.partners.card"),
    ("doors", "services.points.holds.domain", "services.points.processes"),
    ("servicers", "services.rooms.leases.domain", "services.rooms.servicer"),
    ("ports", "services.store.ports", "services.store.orders.repository"),
    ("repository", "services.store.orders.repository", "services.store.orders.domain"),
    ("models", "services.sparekey.numbers.models", "services.sparekey.webhooks.repository"),
    ("settings", "services.notifier.settings", "services.notifier.models"),
    ("aggregates", "services.store.orders.domain", "services.store.checkout.domain"),
    ("aggregates", "services.store.payments.repository", "services.store.orders.repository"),
    ("aggregates", "services.store.payments.models", "services.store.orders.models"),
    ("key-aggregates", "services.sparekey.cases.changes", "services.sparekey.making.verdicts"),
    ("technology", "services.identity.codes.domain", "grpc"),
    ("technology", "services.points.holds.repository", "google"),
    ("technology", "services.rooms.leases.models", "nats"),
    ("stubs", "services.sparekey.cases.changes", "ruum"),
    ("stubs", "workflows.kit", "ruum"),
    ("processes", "services.store.processes", "workflows.invoice.workflow"),
    ("processes", "services.points.processes", "workflows.point_grant.activities"),
    ("workflow", "workflows.invoice.workflow", "workflows.invoice.activities"),
    ("workflow", "workflows.invoice.contract", "workflows.invoice.words"),
    ("sandbox", "workflows.sparekey_order.contract", "structlog"),
    ("sandbox", "workflows.sparekey_order.workflow", "services.chassis.jst"),
    ("sandbox", "workflows.money.saga", "services.chassis.wire"),
    ("deployment", "services.gateway.app", "deploy.local.ports"),
    ("standins", "deploy.sandbox.maker", "services.sparekey.numbers.models"),
]
STRAYS = [("contexts", "services.lockers"), ("workflow", "workflows.point_grant.spare")]


def linted(tree: Path) -> str:
    """What the check prints in a folder; names are not broken over lines."""
    command = [f"{sysconfig.get_path('scripts')}/lint-imports", "--no-cache"]
    wide = os.environ | {"COLUMNS": "400"}
    found = subprocess.run(command, cwd=tree, env=wide, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert found.returncode in {0, 1}, found.stdout.decode()
    return found.stdout.decode()


def contracts() -> dict[str, str]:
    """The names of the contracts by their ids."""
    config = ConfigParser()
    config.read(ROOT / ".importlinter")
    return {section.split(":")[2]: config[section]["name"] for section in config.sections() if ":contract:" in section}


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said of a copy of the sources with every breach planted."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("services", "workflows", "deploy", "tests/conventions"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tree)
    for _, importer, imported in BREACHES:
        with (tree / importer.replace(".", "/")).with_suffix(".py").open("a") as source:
            source.write(f"\nimport {imported}\n")
    for _, module in STRAYS:
        stray = tree / module.replace(".", "/")
        stray.mkdir()
        (stray / "__init__.py").touch()
    return linted(tree)


def said_of(contract: str, output: str) -> str:
    """What is said of one contract, from its heading to the next."""
    name = re.escape(contracts()[contract])
    found = re.search(rf"^{name}\n-+\n\n(.*?)(?=\n\S[^\n]*\n---+\n|\Z)", output, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def test_the_sources_keep_every_contract() -> None:
    assert f"Contracts: {len(contracts())} kept, 0 broken." in linted(ROOT)


@pytest.mark.parametrize(("contract", "importer", "imported"), BREACHES)
def test_a_planted_import_is_found(spoilt: str, contract: str, importer: str, imported: str) -> None:
    assert re.search(rf"{importer} (->|imports) {imported}\b", said_of(contract, spoilt)), spoilt


@pytest.mark.parametrize(("contract", "module"), STRAYS)
def test_what_has_no_place_is_found(spoilt: str, contract: str, module: str) -> None:
    assert re.search(rf"- +{module}$", said_of(contract, spoilt), re.MULTILINE), spoilt


def test_every_aggregate_of_the_store_has_its_place_in_their_order() -> None:
    config = ConfigParser()
    config.read(ROOT / ".importlinter")
    placed = config["importlinter:contract:aggregates"]["layers"].replace("|", " ").split()

    rooms = [
        path
        for path in (ROOT / "services/store").glob("*/*.py")
        if path.stem in {"domain", "models", "ports", "repository"}
    ]

    assert sorted(placed) == sorted(f"services.store.{path.parent.name}.{path.stem}" for path in rooms)


def test_every_contract_has_a_planted_breach() -> None:
    assert set(contracts()) == {contract for contract, *_ in BREACHES}
