"""Amounts are whole wherever they are kept or sent: no number of ours has a fraction (PR-01)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module

import pytest
import sqlalchemy as sa
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from services import CONTEXTS
from tests.conventions.rules import ROOT

FRACTIONS = {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE}


def contracts() -> list[Descriptor]:
    """The messages of every contract."""
    files = sorted((ROOT / "protos/ruum").rglob("*_pb2.py"))
    modules = [import_module(".".join(path.relative_to(ROOT / "protos").with_suffix("").parts)) for path in files]
    return [message for module in modules for message in module.DESCRIPTOR.message_types_by_name.values()]


def fractions_sent(messages: Iterable[Descriptor]) -> Iterator[str]:
    for message in messages:
        yield from (field.full_name for field in message.fields if field.type in FRACTIONS)
        yield from fractions_sent(message.nested_types)


def tables() -> dict[str, sa.MetaData]:
    """The tables of each context, as its models state them; each context's schema test finds the database so."""
    for path in sorted((ROOT / "services").rglob("models.py")):
        import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return {context: import_module(f"services.{context}.models").Table.metadata for context in CONTEXTS}


def fractions_kept(metadata: sa.MetaData) -> Iterator[str]:
    for table in metadata.tables.values():
        yield from (
            f"{table}.{column.name}" for column in table.columns if isinstance(column.type, sa.Numeric | sa.Float)
        )


@pytest.mark.rule("PR-01")
def test_no_contract_sends_a_number_with_a_fraction() -> None:
    messages = contracts()

    assert len(messages) > 100
    assert list(fractions_sent(messages)) == []


@pytest.mark.rule("PR-01")
def test_no_table_keeps_a_number_with_a_fraction() -> None:
    kept = tables()

    assert all(metadata.tables for metadata in kept.values())
    assert [column for metadata in kept.values() for column in fractions_kept(metadata)] == []


def test_fractions_are_found() -> None:
    field = FieldDescriptorProto(name="rate", number=1, type=FieldDescriptorProto.TYPE_DOUBLE)
    inner = DescriptorProto(name="Inner", field=[field])
    file = FileDescriptorProto(name="p.proto", message_type=[DescriptorProto(name="Outer", nested_type=[inner])])
    outer = DescriptorPool().AddSerializedFile(file.SerializeToString()).message_types_by_name["Outer"]
    prices = sa.MetaData()
    sa.Table("prices", prices, sa.Column("a", sa.Float), sa.Column("b", sa.Numeric), sa.Column("c", sa.BigInteger))

    assert list(fractions_sent([outer])) == ["Outer.Inner.rate"]
    assert list(fractions_kept(prices)) == ["prices.a", "prices.b"]
