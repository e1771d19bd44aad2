"""Each fact of a contract is one that somebody tells, and tells in its place."""

from __future__ import annotations

import ast

from services.chassis.events import Event
from services.identity.members.domain import MemberSignedUp
from tests.conventions.commands import ours
from tests.conventions.events import CONTRACTS, messages, name
from tests.conventions.rules import ROOT

NOT_YET = {"store.OrderAmountChanged"}
"""Points takes it already; nothing in the store lowers a price yet."""


def classes() -> dict[str, type[Event]]:
    """Those that are nobody's parent, as `identity.CodeRequested`."""
    return {
        f"{kind.__module__.split('.')[1]}.{kind.__name__}": kind for kind in ours(Event) if not kind.__subclasses__()
    }


def used(context: str) -> set[str]:
    """Names that a context makes use of, beyond defining and importing them; each as `identity.CodeRequested`."""
    sources = (path.read_text("utf-8") for path in (ROOT / "services" / context).rglob("*.py"))
    nodes = (node for source in sources for node in ast.walk(ast.parse(source)))
    return {f"{context}.{node.id}" for node in nodes if isinstance(node, ast.Name)}


def test_every_event_of_a_contract_has_its_class_with_the_same_fields() -> None:
    contract = {name(it): set(it.DESCRIPTOR.fields_by_name) - {"header"} for it in messages()}
    code = {it: set(kind.model_fields) - set(Event.model_fields) for it, kind in classes().items()}

    assert len(code) > 30
    assert code == {it: fields for it, fields in contract.items() if it not in NOT_YET}, (
        "a message of events.proto has an `Event` class of its name, with its fields"
    )


def test_every_event_is_told_by_somebody() -> None:
    untold = {name(it) for it in messages()}.difference(*(used(path.parts[-3]) for path in CONTRACTS))

    assert untold == NOT_YET, "a verb tells it with `work.tell(…)`, of a key order a `Change` makes it as its `fact`"


def test_what_is_told_of_a_member_keeps_the_order_of_the_members_facts() -> None:
    sources = (ROOT / "services/identity").rglob("*.py")

    orders = {path.parent.name for path in sources if "aggregate_id=" in path.read_text("utf-8")}

    assert orders == {"members", "envelopes"}, "a fact about a member is a child of `OfMember`, made by its `of`"
    assert MemberSignedUp.of("mem_1").aggregate_id == "mem_1"
