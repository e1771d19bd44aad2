"""What the worker registers is what the contracts of the processes ask for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, get_type_hints
from unittest.mock import Mock

import pytest
from temporalio import activity

from workflows.daily import contract as daily
from workflows.daily.activities import DailyActivities
from workflows.invoice import contract as invoice
from workflows.invoice.activities import InvoiceActivities
from workflows.kit import Step
from workflows.money import contract as money
from workflows.money.activities import MoneyActivities
from workflows.point_grant import contract as point_grant
from workflows.point_grant.activities import PointGrantActivities
from workflows.sparekey_order import contract as sparekey_order
from workflows.sparekey_order.activities import SparekeyActivities
from workflows.worker import activities_of

CONTRACTS = [
    (daily, activities_of(DailyActivities(Mock(), Mock(), Mock()))),
    (invoice, activities_of(InvoiceActivities(Mock()))),
    (money, activities_of(MoneyActivities(Mock(), Mock()))),
    (point_grant, activities_of(PointGrantActivities(Mock()))),
    (sparekey_order, activities_of(SparekeyActivities(Mock()))),
]


def asked(contract: ModuleType) -> dict[str, type]:
    """What each step of a contract answers, by its name."""
    return {step.name: step.outcome for step in vars(contract).values() if isinstance(step, Step)}


def registered(activities: list[Callable[..., Any]]) -> dict[str, type]:
    """What each activity answers, by the name under which the worker registers it."""
    definitions = [activity._Definition.must_from_callable(method) for method in activities]
    return {str(it.name): get_type_hints(it.fn)["return"] for it in definitions}


@pytest.mark.parametrize(("contract", "activities"), CONTRACTS)
def test_each_step_of_a_contract_has_its_activity_which_answers_what_the_step_says(
    contract: ModuleType, activities: list[Callable[..., Any]]
) -> None:
    assert registered(activities) == asked(contract)


def test_the_worker_loads_no_database() -> None:
    """It asks services over gRPC: what reads and writes messages need not cost it 16 MB and a second of its start."""
    loads = "import sys, workflows.worker; print('sqlalchemy' in sys.modules)"

    printed = subprocess.run([sys.executable, "-c", loads], capture_output=True, check=True, text=True)

    assert printed.stdout == "False\n"
