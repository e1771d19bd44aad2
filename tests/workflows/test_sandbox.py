"""The sandbox loads a workflow's module anew for each case: whatever else it loads, each case pays for."""

from __future__ import annotations

import sys

import pytest
from temporalio.worker.workflow_sandbox import SandboxRestrictions
from temporalio.worker.workflow_sandbox._importer import Importer
from temporalio.worker.workflow_sandbox._restrictions import RestrictionContext

from workflows.worker import WORKFLOWS


@pytest.mark.parametrize("module", sorted({workflow.__module__ for workflow in WORKFLOWS}))
def test_a_case_loads_its_workflow_anew_and_nothing_else_of_ours(module: str) -> None:
    """`from package import module` is not passed through, `import package.module as name` is."""
    importer = Importer(SandboxRestrictions.default, RestrictionContext())
    outside = dict(sys.modules)

    with importer.applied():
        exec(f"import {module}", {"__file__": "here"})  # as the runner does
        anew = {name for name in importer.new_modules if sys.modules[name] is not outside.get(name)}

    assert {name for name in anew if name.startswith(("workflows.", "services.", "pydantic"))} == {
        module,
        module.rpartition(".")[0],
    }
