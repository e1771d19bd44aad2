"""The ledger's invariants as questions to the database; each answers with what breaks it."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from services.chassis.db import Database


def _fold(account: str) -> str:
    return f"coalesce(sum(case '{account}' when e.credit then e.points when e.debit then -e.points else 0 end), 0)"


_ACCOUNTS = ", ".join(f"{_fold(account)} as {account}" for account in ("available", "held", "pending", "debt"))

INVARIANTS: Mapping[str, str] = {
    "the accounts of all sum to zero": """
        select sum(points) as off from (
            select points from points.entries union all select -points from points.entries
        ) sides having sum(points) <> 0""",
    "a balance is the fold of its entries": f"""
        select b.member_id from points.balances b left join lateral (
            select {_ACCOUNTS} from points.entries e where e.member_id = b.member_id
        ) fold on true
        where (b.available, b.held, b.pending, -b.debt) <> (fold.available, fold.held, fold.pending, fold.debt)""",
    "a lot is the fold of its entries": f"""
        select l.lot_id from points.lots l left join points.entries e using (lot_id)
        group by l.lot_id, l.remaining having l.remaining <> {_fold("available")}""",
    "what is available lies in lots": """
        select b.member_id from points.balances b left join points.lots l using (member_id)
        group by b.member_id, b.available having b.available <> coalesce(sum(l.remaining), 0)""",
    "a part is what its entries say": """
        select p.order_id from points.hold_parts p left join lateral (
            select coalesce(sum(points) filter (where kind = 'held'), 0) as held,
                coalesce(sum(points) filter (where kind = 'spent'), 0) as captured,
                coalesce(sum(points) filter (where kind = 'released'), 0) as released,
                coalesce(sum(points) filter (where kind = 'given-back'), 0) as given_back
            from points.entries e
            where e.order_id = p.order_id and e.attempt = p.attempt and e.part_id = p.part_id
        ) said on true
        where said.held <> p.points or said.given_back <> p.given_back
            or said.captured <> case p.state when 'captured' then p.points else 0 end
            or said.released <> case p.state when 'released' then p.points else 0 end""",
    "what is pending is what the grants say": f"""
        select g.order_id from points.grants g left join points.entries e using (order_id)
        group by g.order_id, g.state, g.points
        having {_fold("pending")}
            <> case g.state when 'pending' then g.points else 0 end""",
    "an order is granted what its grant says, less what was taken back or is owed or lapsed": """
        select g.order_id from points.grants g left join points.entries e using (order_id)
        where g.state = 'granted' group by g.order_id, g.points, g.reversed
        having coalesce(sum(e.points) filter (where kind = 'granted'), 0) <> g.points
            or coalesce(sum(e.points) filter (where kind in ('reversed', 'owed')), 0) > g.reversed""",
    "normal points have a term": """
        select l.lot_id from points.lots l join points.balances b using (member_id)
        where l.spendable and l.kind = 'normal' and (b.normal_until is null or not b.expiring)""",
    "what goes on names what it goes on from": """
        select e.entry_id from points.entries e join points.entries before on before.position = e.follows
        where e.member_id <> before.member_id or e.lot_id is distinct from before.lot_id
            or e.order_id is distinct from before.order_id
            or (e.kind in ('spent', 'released') and (before.kind, before.points) <> ('held', e.points))
            or (e.kind = 'given-back' and before.kind <> 'spent')
            or (e.kind in ('reversed', 'owed') and before.kind <> 'granted')""",
}


async def disagreements(database: Database) -> list[str]:
    """Which invariants do not hold, with the first thing that breaks each."""
    found = []
    async with database.reading() as session:
        for invariant, question in INVARIANTS.items():
            broken = (await session.execute(sa.text(question))).first()
            if broken is not None:
                found.append(f"{invariant}: {broken}")
    return found
