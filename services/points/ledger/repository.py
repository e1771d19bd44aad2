"""The statements of the ledger. Whatever is posted moves lots and balances in the same statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from services.points.ledger.models import Activity, Lot, Move, Term

Row = RowMapping


def moved(also: str = "") -> str:
    """Common table expressions that carry `posted` over to lots and balances, so that these never disagree.

    Amounts are changed by difference, never set: what was read may be older than the lock. A debt is what its account
    lacks, hence the minus.

    Args:
        also: more that the balance is set to, beginning with a comma.
    """
    return f"""
lots_moved AS (
    UPDATE points.lots lot SET remaining = lot.remaining + d.points
    FROM (
        SELECT lot_id, sum(CASE WHEN credit = 'available' THEN points ELSE -points END)::bigint AS points
        FROM posted WHERE 'available' IN (debit, credit) GROUP BY lot_id
    ) d
    WHERE lot.lot_id = d.lot_id
),
balances_moved AS (
    UPDATE points.balances b
    SET available = b.available + d.available, held = b.held + d.held, pending = b.pending + d.pending,
        debt = b.debt - d.debt, expiring = b.expiring OR d.available > 0{also}
    FROM (
        SELECT member_id,
            sum(CASE 'available' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END)::bigint AS available,
            sum(CASE 'held' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END)::bigint AS held,
            sum(CASE 'pending' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END)::bigint AS pending,
            sum(CASE 'debt' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END)::bigint AS debt
        FROM posted GROUP BY member_id
    ) d
    WHERE b.member_id = d.member_id
)"""  # noqa: S608  # nothing but the constants of this package is put in


@dataclass(frozen=True)
class Posting:
    """An entry to be made; see `Entry`."""

    move: Move
    points: int
    lot_id: str | None = None
    order_id: str | None = None
    attempt: int | None = None
    part_id: str | None = None
    follows: int | None = None


_POST = sa.text(f"""
WITH posted AS (
    INSERT INTO points.entries
        (posted_at, member_id, kind, debit, credit, points, lot_id, order_id, attempt, part_id, follows)
    SELECT :now, :member_id, e.*
    FROM unnest(
        CAST(:kinds AS text[]), CAST(:debits AS text[]), CAST(:credits AS text[]), CAST(:points AS bigint[]),
        CAST(:lot_ids AS text[]), CAST(:order_ids AS text[]), CAST(:attempts AS bigint[]), CAST(:part_ids AS text[]),
        CAST(:follows AS bigint[])
    ) e
    RETURNING member_id, debit, credit, points, lot_id
), {moved()}
SELECT count(*) FROM posted""")  # noqa: S608  # as above


async def post(tx: AsyncSession, member_id: str, now: datetime, postings: Sequence[Posting]) -> None:
    """Adds entries of one member, whose row the transaction has locked (`open_member`)."""
    if not postings:
        return
    await tx.execute(
        _POST,
        {
            "now": now,
            "member_id": member_id,
            "kinds": [posting.move.kind for posting in postings],
            "debits": [posting.move.debit for posting in postings],
            "credits": [posting.move.credit for posting in postings],
            "points": [posting.points for posting in postings],
            "lot_ids": [posting.lot_id for posting in postings],
            "order_ids": [posting.order_id for posting in postings],
            "attempts": [posting.attempt for posting in postings],
            "part_ids": [posting.part_id for posting in postings],
            "follows": [posting.follows for posting in postings],
        },
    )


# The update changes nothing: DO NOTHING would neither lock a row that is there nor return it.
_OPEN_MEMBER = sa.text("""
INSERT INTO points.balances AS b (member_id, available, held, pending, debt, expiring)
VALUES (:member_id, 0, 0, 0, 0, false)
ON CONFLICT (member_id) DO UPDATE SET expiring = b.expiring
RETURNING b.normal_until, b.debt""")


async def open_member(tx: AsyncSession, member_id: str) -> Row:
    """Locks the member's row until the end of the transaction, made now where there is none.

    It is the only lock that the ledger takes, and taken before any lot is looked at.
    """
    return (await tx.execute(_OPEN_MEMBER, {"member_id": member_id})).mappings().one()


async def add_lot(tx: AsyncSession, lot: Lot) -> None:
    """Adds an empty lot, which entries will fill."""
    await tx.execute(sa.insert(Lot).values(lot.model_dump(exclude={"spendable"})))


_ENTER_LAPSES = sa.text(f"""
WITH posted AS (
    INSERT INTO points.entries (posted_at, member_id, kind, debit, credit, points, lot_id)
    SELECT :now, lot.member_id, 'lapsed', 'available', 'lapsed', lot.remaining, lot.lot_id
    FROM points.lots lot JOIN points.balances b USING (member_id)
    WHERE lot.member_id = ANY(:members) AND lot.spendable AND coalesce(lot.expires_at, b.normal_until) <= :until
    ORDER BY lot.member_id, coalesce(lot.expires_at, b.normal_until), lot.granted_at, lot.lot_id
    RETURNING member_id, debit, credit, points, lot_id
), {moved()}
SELECT count(*) AS lots, coalesce(sum(points), 0)::bigint AS points FROM posted""")  # noqa: S608  # as above

_NOTHING_LEFT_TO_LAPSE = sa.text("""
UPDATE points.balances SET expiring = false WHERE member_id = ANY(:members) AND normal_until <= :until""")


async def enter_lapses(tx: AsyncSession, members: Sequence[str], until: datetime, now: datetime) -> Row:
    """Enters as lapsed what the locked members have left of lots that ended by `until` (PT-12)."""
    given = {"members": list(members), "until": until}
    entered = (await tx.execute(_ENTER_LAPSES, given | {"now": now})).mappings().one()
    await tx.execute(_NOTHING_LEFT_TO_LAPSE, given)
    return entered


# Each half stops at the limit and so reads no more of its index; two that run at once lock in the same order.
_LOCK_LAPSING = sa.text("""
SELECT member_id FROM points.balances
WHERE member_id IN (
    (SELECT member_id FROM points.balances WHERE expiring AND normal_until <= :until ORDER BY normal_until LIMIT :limit)
    UNION
    (SELECT member_id FROM points.lots WHERE spendable AND expires_at <= :until ORDER BY expires_at LIMIT :limit)
)
ORDER BY member_id LIMIT :limit FOR NO KEY UPDATE""")


async def lock_lapsing(tx: AsyncSession, until: datetime, limit: int) -> Sequence[str]:
    """Locks a batch of members of whose points some may have lapsed by `until`, always in the same order."""
    return (await tx.execute(_LOCK_LAPSING, {"until": until, "limit": limit})).scalars().all()


_KEEP = sa.text("""
WITH noted AS (
    INSERT INTO points.activities (member_id, ref, kind, happened_at, last_day, until)
    VALUES (:member_id, :ref, :kind, :happened_at, :last_day, :until)
    ON CONFLICT DO NOTHING RETURNING member_id, last_day, until
)
UPDATE points.balances b
SET normal_until = greatest(b.normal_until, noted.until), normal_last_day = greatest(b.normal_last_day, noted.last_day)
FROM noted WHERE b.member_id = noted.member_id""")


async def keep_normal(tx: AsyncSession, activity: Activity) -> None:
    """Notes an activity, once, and moves the term of the member's normal points to its own if that is later (PT-10)."""
    await tx.execute(_KEEP, activity.model_dump(exclude={"cancelled_at"}))


_FORGET = sa.text("""
WITH cancelled AS (
    UPDATE points.activities SET cancelled_at = :now
    WHERE member_id = :member_id AND ref = :ref AND cancelled_at IS NULL
), kept AS (
    SELECT max(until) AS until, max(last_day) AS last_day FROM points.activities
    WHERE member_id = :member_id AND ref <> :ref AND cancelled_at IS NULL
)
UPDATE points.balances b
SET normal_until = coalesce(kept.until, :ended_at), normal_last_day = coalesce(kept.last_day, :ended_on)
FROM kept WHERE b.member_id = :member_id AND b.normal_until IS NOT NULL
RETURNING old.normal_until > :now AND new.normal_until <= :now AS lapsed""")


async def forget_activities(tx: AsyncSession, member_id: str, ref: str, now: datetime, ended: Term) -> bool:
    """What belonged to a cancelled order no longer counts (PT-10). Returns whether normal points have lapsed by that.

    Where nothing else is left that counts, their term is `ended`.
    """
    given = {"member_id": member_id, "ref": ref, "now": now, "ended_at": ended.until, "ended_on": ended.last_day}
    return bool((await tx.execute(_FORGET, given)).scalar_one_or_none())


_LAPSED_AMONG = sa.text("""
SELECT lot.lot_id, least(lot.remaining, returned.points) AS points
FROM unnest(CAST(:lot_ids AS text[]), CAST(:points AS bigint[])) AS returned (lot_id, points)
JOIN points.lots lot USING (lot_id) JOIN points.balances b USING (member_id)
WHERE lot.spendable AND coalesce(lot.expires_at, b.normal_until) <= :now
ORDER BY lot.granted_at, lot.lot_id""")


async def lapsed_among(tx: AsyncSession, returned: Mapping[str, int], now: datetime) -> Mapping[str, int]:
    """What of points that came back to these lots has lapsed."""
    given = {"lot_ids": list(returned), "points": list(returned.values()), "now": now}
    return {row.lot_id: row.points for row in await tx.execute(_LAPSED_AMONG, given)}


_GRANTED_LOT = sa.text("""
SELECT given.position, given.lot_id, lot.remaining,
    coalesce(sum(e.points) FILTER (WHERE e.kind = 'lapsed'), 0)::bigint AS lapsed,
    coalesce(sum(e.points) FILTER (WHERE e.kind = 'reversed'), 0)::bigint AS reversed,
    coalesce(sum(e.points) FILTER (WHERE e.kind = 'owed'), 0)::bigint AS owed
FROM points.entries given JOIN points.lots lot USING (lot_id)
JOIN points.entries e ON e.member_id = given.member_id AND e.lot_id = given.lot_id
WHERE given.order_id = :order_id AND given.kind = 'granted'
GROUP BY given.position, given.lot_id, lot.remaining""")


async def granted_lot(tx: AsyncSession, order_id: str) -> Row:
    """The lot that an order was granted, what is left of it, and how much of it lapsed or was taken back or owed."""
    return (await tx.execute(_GRANTED_LOT, {"order_id": order_id})).mappings().one()


# Questions.

_BALANCE = sa.text("""
SELECT b.held, b.pending, b.debt, live.kind, live.last_day, live.points, (
    SELECT min(due_on) FROM points.grants g WHERE g.member_id = b.member_id AND g.state = 'pending'
) AS next_grant_on
FROM points.balances b LEFT JOIN LATERAL (
    SELECT lot.kind, coalesce(lot.last_day, b.normal_last_day) AS last_day, sum(lot.remaining)::bigint AS points
    FROM points.lots lot
    WHERE lot.member_id = b.member_id AND lot.spendable AND coalesce(lot.expires_at, b.normal_until) > :now
    GROUP BY 1, 2
) live ON true
WHERE b.member_id = :member_id
ORDER BY live.last_day, live.kind""")


async def balance(session: AsyncSession, member_id: str, now: datetime) -> Sequence[Row]:
    """The member's accounts, in a row for each kind and last day of what can be spent; no row for a stranger."""
    return (await session.execute(_BALANCE, {"member_id": member_id, "now": now})).mappings().all()


_ENTRIES = sa.text("""
SELECT e.entry_id, e.posted_at, e.kind, e.points, coalesce(e.order_id, '') AS order_id,
    coalesce(lot.kind, '') AS lot_kind, coalesce(lot.campaign_id, '') AS campaign_id, e.gained,
    coalesce(CAST(:balance AS bigint), b.available) - coalesce(sum(e.gained) OVER later, 0)::bigint AS balance_after
FROM (
    SELECT *, CASE 'available' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END AS gained
    FROM points.entries
    WHERE member_id = :member_id AND (CAST(:before AS uuid) IS NULL OR position < (
        SELECT position FROM points.entries WHERE member_id = :member_id AND entry_id = CAST(:before AS uuid)
    ))
    ORDER BY position DESC LIMIT :limit
) e JOIN points.balances b USING (member_id) LEFT JOIN points.lots lot USING (lot_id)
WINDOW later AS (ORDER BY e.position DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
ORDER BY e.position DESC""")


async def entries(
    session: AsyncSession, member_id: str, before: UUID | None, balance: int | None, limit: int
) -> Sequence[Row]:
    """A member's entries, the newest first, with what each `gained` and what was available after it.

    Where they begin before one of them, `balance` is what was available before that.
    """
    given = {"member_id": member_id, "before": before, "balance": balance, "limit": limit}
    return (await session.execute(_ENTRIES, given)).mappings().all()


_TRIAL = sa.text("""
WITH flows AS (
    SELECT debit, credit, sum(points) AS points FROM points.entries WHERE posted_at <= :at GROUP BY debit, credit
)
SELECT account, sum(points)::bigint AS points
FROM (SELECT credit AS account, points FROM flows UNION ALL SELECT debit, -points FROM flows) sides
GROUP BY account ORDER BY account""")


async def trial_balance(session: AsyncSession, at: datetime) -> Sequence[Row]:
    """Credits less debits of each account."""
    return (await session.execute(_TRIAL, {"at": at})).mappings().all()


_DIFFERING = sa.text("""
SELECT b.member_id FROM points.balances b LEFT JOIN (
    SELECT member_id,
        sum(CASE 'available' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END) AS available,
        sum(CASE 'held' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END) AS held,
        sum(CASE 'pending' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END) AS pending,
        sum(CASE 'debt' WHEN debit THEN points WHEN credit THEN -points ELSE 0 END) AS debt
    FROM points.entries GROUP BY member_id
) e USING (member_id)
WHERE (b.available, b.held, b.pending, b.debt) IS DISTINCT FROM
    (coalesce(e.available, 0), coalesce(e.held, 0), coalesce(e.pending, 0), coalesce(e.debt, 0))
ORDER BY b.member_id LIMIT 100""")


async def differing(session: AsyncSession) -> Sequence[str]:
    """The first hundred members whose balance is not the sum of their entries."""
    return (await session.scalars(_DIFFERING)).all()


_ORDERS = """
SELECT order_id,
    sum(CASE 'held' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END)::bigint AS held,
    coalesce(sum(points) FILTER (WHERE kind = 'spent'), 0)::bigint AS captured,
    coalesce(sum(points) FILTER (WHERE kind = 'released'), 0)::bigint AS released,
    coalesce(sum(points) FILTER (WHERE kind = 'given-back'), 0)::bigint AS given_back,
    coalesce(sum(points) FILTER (WHERE kind = 'granted'), 0)::bigint
        - coalesce(sum(points) FILTER (WHERE kind IN ('reversed', 'owed')), 0)::bigint AS granted,
    sum(CASE 'pending' WHEN credit THEN points WHEN debit THEN -points ELSE 0 END)::bigint AS pending
FROM points.entries WHERE {} GROUP BY order_id ORDER BY order_id"""
_OF_ORDERS = sa.text(_ORDERS.format("order_id = ANY(:order_ids)"))
_OF_ALL = sa.text(_ORDERS.format("order_id > :after") + " LIMIT :limit")


async def of_orders(session: AsyncSession, order_ids: Sequence[str]) -> Sequence[Row]:
    """What the entries say of orders."""
    return (await session.execute(_OF_ORDERS, {"order_ids": list(order_ids)})).mappings().all()


async def of_all_orders(session: AsyncSession, after: str, limit: int) -> Sequence[Row]:
    """What the entries say of all orders that follow the id `after`, the oldest first."""
    return (await session.execute(_OF_ALL, {"after": after, "limit": limit})).mappings().all()
