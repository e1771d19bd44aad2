"""A contract of `.importlinter`: what some modules may import besides each other and the standard library."""

from __future__ import annotations

import sys
from collections.abc import Set as AbstractSet
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules
from importlinter.domain.imports import ModuleExpression


class Only(Contract):
    """Options: `modules`, and in `allowed` the packages that they may import."""

    type_name = "only"

    modules = fields.SetField(subfield=fields.ModuleExpressionField())
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        modules = cast("AbstractSet[ModuleExpression]", self.modules)
        sources = sorted(module.name for module in module_expressions_to_modules(graph, modules))
        allowed = sys.stdlib_module_names | cast("AbstractSet[str]", self.allowed)
        found = [
            f"{source} imports {imported}"
            for source in sources
            for imported in sorted(graph.find_modules_directly_imported_by(source))
            if imported not in sources and imported.split(".")[0] not in allowed
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for breach in check.metadata["found"]:
            output.print_error(breach)
