from __future__ import annotations

import pytest

from deploy.local.postgres import Postgres
from services.chassis.db import Database
from tests.points.ledger_machine import Bench, run


@pytest.mark.rule("QA-01")
def test_the_ledger_does_what_its_model_does(postgres: Postgres, database: Database) -> None:
    bench = Bench(postgres.url("points"))

    try:
        run(bench, seeds=30, steps=40)
    finally:
        bench.close()

    assert sum(bench.done.values()) > 500
