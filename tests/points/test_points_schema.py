"""What the database itself refuses, whoever asks."""

from __future__ import annotations

import itertools
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from deploy.local.postgres import Postgres
from services.chassis.db import Database
from services.points.ledger.models import Account, Entry, Move
from tests.points.world import World, a_member, an_order


async def run(database: Database, sql: str, **given: Any) -> None:
    await database.transact(lambda tx: tx.execute(sa.text(sql), given))


async def entry(world: World, member: str, **changed: Any) -> None:
    """Tries to add an entry past the service's statements."""
    lot = await world.limited(member, 10, world.today)
    values = {"kind": "lapsed", "debit": "available", "credit": "lapsed", "points": 1, "lot_id": lot}
    values |= {"member_id": member, "posted_at": world.now, "order_id": None, "part_id": None, "follows": None}
    await world.database.transact(lambda tx: tx.execute(sa.insert(Entry).values(values | changed)))


@pytest.mark.parametrize("statement", ["update points.entries set points = 1", "delete from points.entries"])
async def test_the_service_has_no_right_to_rewrite_an_entry(world: World, statement: str) -> None:
    await world.limited(a_member(), 10, world.today)

    with pytest.raises(DBAPIError, match="permission denied"):
        await run(world.database, statement)


@pytest.mark.parametrize(
    "statement", ["update points.entries set points = 1", "delete from points.entries", "truncate points.entries"]
)
async def test_not_even_the_owner_rewrites_an_entry(world: World, postgres: Postgres, statement: str) -> None:
    await world.limited(a_member(), 10, world.today)

    async with await psycopg.AsyncConnection.connect(postgres.dsn("points_owner")) as owner:
        with pytest.raises(psycopg.errors.RestrictViolation, match="entries are only added"):
            await owner.execute(statement.encode())


@pytest.mark.parametrize(
    "table", ["balances", "lots", "holds", "hold_parts", "grants", "activities", "actions", "entries"]
)
async def test_the_service_deletes_nothing(database: Database, table: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        await run(database, f"delete from points.{table}")


async def test_points_go_only_where_a_move_takes_them(world: World) -> None:
    member = a_member()
    moves = {(move.kind, move.debit, move.credit) for move in Move}
    kinds = {kind for kind, _, _ in moves}
    others = set(itertools.product(kinds, Account, Account)) - moves
    constraint = await world.rows(
        "select pg_get_constraintdef(oid) as says from pg_constraint where conname = 'entries_moves'"
    )
    check = constraint[0]["says"].removeprefix("CHECK ")

    async with world.database.reading() as session:
        for kind, debit, credit in moves | others:
            row = f"select {check} from (select text '{kind}', text '{debit}', text '{credit}') e (kind, debit, credit)"
            assert await session.scalar(sa.text(row)) is ((kind, debit, credit) in moves), (kind, debit, credit)
    with pytest.raises(IntegrityError, match="entries_moves"):
        await entry(world, member, credit="spent")


@pytest.mark.parametrize(
    ("changed", "constraint"),
    [
        ({"points": 0}, "entries_positive"),
        ({"points": -1}, "entries_positive"),
        ({"lot_id": None}, "entries_name_their_lot"),
        ({"lot_id": "lot_of_nobody"}, "entries_lot_id_fkey"),
        ({"member_id": "mem_of_nobody"}, "entries_member_id_fkey"),
        ({"kind": "held", "credit": "held"}, "entries_name_their_part"),
        ({"kind": "spent", "debit": "held", "credit": "spent", "part_id": "a"}, "entries_name_what_they_end"),
        ({"kind": "reversed", "credit": "issued"}, "entries_name_what_they_end"),
    ],
)
async def test_an_entry_is_positive_and_names_what_it_belongs_to(
    world: World, changed: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        await entry(world, a_member(), **changed)


@pytest.mark.parametrize("account", ["available", "held", "pending", "debt"])
async def test_no_account_of_a_member_goes_below_zero(world: World, account: str) -> None:
    member = a_member()
    await world.limited(member, 10, world.today)

    with pytest.raises(IntegrityError, match="balances_not_negative"):
        await run(world.database, f"update points.balances set {account} = -1 where member_id = :m", m=member)


@pytest.mark.parametrize("remaining", [-1, 11])
async def test_a_lot_holds_no_less_than_nothing_and_no_more_than_it_was_given(world: World, remaining: int) -> None:
    lot = await world.limited(a_member(), 10, world.today)

    with pytest.raises(IntegrityError, match="lots_remaining"):
        await run(world.database, "update points.lots set remaining = :r where lot_id = :l", r=remaining, l=lot)


async def test_a_held_entry_ends_only_once(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 10, world.today)
    await world.hold(member, order, a=4)
    await world.capture(order)
    held = (await world.rows("select * from points.entries where order_id = :o and kind = 'held'", o=order))[0]

    with pytest.raises(IntegrityError, match="entries_hold_ends_once"):
        await entry(
            world,
            member,
            kind="released",
            debit="held",
            credit="available",
            points=4,
            lot_id=held["lot_id"],
            order_id=order,
            part_id="a",
            follows=held["position"],
        )


async def test_an_order_is_granted_only_once(world: World) -> None:
    member = a_member()
    order = await world.earned(member, 5)

    with pytest.raises(IntegrityError, match="entries_grant_once"):
        await entry(world, member, kind="granted", debit="pending", order_id=order, credit="available")
