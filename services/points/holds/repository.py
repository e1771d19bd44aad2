"""The statements of holds: to hold is one, to capture or to release is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.points.ledger.repository import Row, moved

# Whatever moves points locks the member's row first, so that nobody waits for a lot while holding another. Lots and
# parts are locked too, though nobody else can have them then: the statement's snapshot may be older than the member's
# lock, and only a locked row is read anew. Not FOR UPDATE: the foreign keys of new entries would wait for that.
#
# Lots in their order (PT-21) and parts in theirs are laid end to end: where a lot and a part overlap, that much of the
# part is taken from the lot.
_HOLD = sa.text(f"""
WITH member AS MATERIALIZED (
    SELECT member_id, normal_until FROM points.balances WHERE member_id = :member_id FOR NO KEY UPDATE
),
live AS MATERIALIZED (
    SELECT lot.lot_id, lot.remaining, lot.expires_at, lot.granted_at
    FROM points.lots lot JOIN member USING (member_id)
    WHERE lot.spendable AND coalesce(lot.expires_at, member.normal_until) > :now
    FOR NO KEY UPDATE OF lot
),
lined_up AS (
    SELECT lot_id, remaining, sum(remaining) OVER (ORDER BY expires_at NULLS LAST, granted_at, lot_id) AS upto FROM live
),
asked AS (
    SELECT part_id, points, yen, sum(points) OVER (ORDER BY ordinal) AS upto
    FROM unnest(CAST(:part_ids AS text[]), CAST(:part_points AS bigint[]), CAST(:part_yen AS bigint[]))
        WITH ORDINALITY AS part (part_id, points, yen, ordinal)
),
covered AS (
    SELECT coalesce((SELECT sum(remaining) FROM live), 0) >= (SELECT sum(points) FROM asked) AS fully
),
placed AS (
    INSERT INTO points.holds (order_id, attempt, hold_id, member_id, held_at, keeps_last_day, keeps_until)
    SELECT :order_id, :attempt, :hold_id, :member_id, :now, :keeps_last_day, :keeps_until FROM covered WHERE fully
    ON CONFLICT DO NOTHING
    RETURNING order_id, attempt, member_id
),
parts AS (
    INSERT INTO points.hold_parts (order_id, attempt, part_id, points, yen, state, given_back, reissue)
    SELECT order_id, attempt, part_id, points, yen, 'held', 0, false FROM asked, placed
),
posted AS (
    INSERT INTO points.entries
        (posted_at, member_id, kind, debit, credit, points, lot_id, order_id, attempt, part_id)
    SELECT :now, placed.member_id, 'held', 'available', 'held',
        least(asked.upto, lot.upto) - greatest(asked.upto - asked.points, lot.upto - lot.remaining),
        lot.lot_id, placed.order_id, placed.attempt, asked.part_id
    FROM placed, asked JOIN lined_up lot
        ON lot.upto - lot.remaining < asked.upto AND asked.upto - asked.points < lot.upto
    ORDER BY lot.upto, asked.upto
    RETURNING member_id, debit, credit, points, lot_id
), {moved()}
SELECT EXISTS (SELECT FROM placed) AS placed, (SELECT coalesce(sum(remaining), 0) FROM live)::bigint AS available
""")  # noqa: S608  # nothing but the constants of this package is put in


async def hold(tx: AsyncSession, given: Mapping[str, Any]) -> Row:
    """Chooses lots, limited-time first, and freezes the choice (PT-21, PT-24); nothing when there is too little.

    Returns whether the hold was placed, and what was available before it.
    """
    return (await tx.execute(_HOLD, given)).mappings().one()


# Locks as above. The term of normal points is moved here only while it has not lapsed; see `Holds.capture`.
_DECIDE = sa.text(f"""
WITH hold AS (
    SELECT * FROM points.holds WHERE order_id = :order_id AND attempt = :attempt
),
member AS MATERIALIZED (
    SELECT b.member_id, b.normal_until FROM points.balances b JOIN hold USING (member_id) FOR NO KEY UPDATE OF b
),
parts AS MATERIALIZED (
    SELECT p.part_id, p.points, p.yen, p.state, cardinality(CAST(:part_ids AS text[])) = 0
        OR p.part_id = ANY(CAST(:part_ids AS text[])) AS named
    FROM points.hold_parts p, member WHERE p.order_id = :order_id AND p.attempt = :attempt
    FOR NO KEY UPDATE OF p
),
decided AS (
    UPDATE points.hold_parts p SET state = :state, decided_at = :now, reissue = :reissue
    FROM parts WHERE p.order_id = :order_id AND p.attempt = :attempt AND p.part_id = parts.part_id
        AND parts.named AND parts.state = 'held'
    RETURNING p.part_id
),
redeemed AS (
    INSERT INTO points.activities (member_id, ref, kind, happened_at, last_day, until)
    SELECT hold.member_id, order_id, 'redemption', held_at, keeps_last_day, keeps_until FROM hold, member
    WHERE :state = 'captured' AND EXISTS (SELECT FROM decided)
        AND (member.normal_until IS NULL OR member.normal_until > hold.held_at)
    ON CONFLICT DO NOTHING
    RETURNING last_day, until
),
posted AS (
    INSERT INTO points.entries
        (posted_at, member_id, kind, debit, credit, points, lot_id, order_id, attempt, part_id, follows)
    SELECT :now, e.member_id, :kind, 'held', :credit, e.points, e.lot_id, e.order_id, e.attempt, e.part_id, e.position
    FROM points.entries e JOIN decided USING (part_id)
    WHERE e.order_id = :order_id AND e.attempt = :attempt AND e.kind = 'held'
    ORDER BY e.position
    RETURNING member_id, debit, credit, points, lot_id
), {
    moved('''
        , normal_until = greatest(b.normal_until, (SELECT until FROM redeemed))
        , normal_last_day = greatest(b.normal_last_day, (SELECT last_day FROM redeemed))''')
}
SELECT hold.hold_id, hold.member_id, hold.held_at, parts.*, decided.part_id IS NOT NULL AS decided,
    member.normal_until <= hold.held_at AS lapsed_before,
    (SELECT jsonb_object_agg(lot_id, points) FROM (
        SELECT lot_id, sum(points) AS points FROM posted GROUP BY lot_id
    ) lots) AS lots
FROM hold LEFT JOIN member USING (member_id) LEFT JOIN parts ON true LEFT JOIN decided USING (part_id)
ORDER BY parts.part_id""")  # noqa: S608  # as above


async def decide(tx: AsyncSession, given: Mapping[str, Any]) -> Sequence[Row]:
    """Captures or releases those of the named parts, of all when none is named, that are still held.

    Returns a row for each part with its state before and whether it was decided now; one without a part for a hold
    that was released before it came; none where there is no hold.
    """
    return (await tx.execute(_DECIDE, given)).mappings().all()


_FIND = sa.text("SELECT member_id FROM points.holds WHERE order_id = :order_id AND attempt = :attempt")


async def find(tx: AsyncSession, order_id: str, attempt: int) -> Row | None:
    """The hold; without a member it was released before it came."""
    return (await tx.execute(_FIND, {"order_id": order_id, "attempt": attempt})).mappings().one_or_none()


_BURY = sa.text("""
INSERT INTO points.holds (order_id, attempt, hold_id, held_at) VALUES (:order_id, :attempt, :hold_id, :now)
ON CONFLICT DO NOTHING RETURNING hold_id""")


async def bury(tx: AsyncSession, given: Mapping[str, Any]) -> bool:
    """Notes that this hold must no longer come. Returns false when it has come meanwhile."""
    return (await tx.execute(_BURY, given)).first() is not None


_TAKE_BACK = sa.text("""
UPDATE points.hold_parts SET given_back = given_back + :points, reissue = reissue OR :reissue
WHERE order_id = :order_id AND attempt = :attempt AND part_id = :part_id
    AND state = 'captured' AND given_back + :points <= points
RETURNING given_back""")

_PART = sa.text("""
SELECT state, points - given_back AS spent FROM points.hold_parts
WHERE order_id = :order_id AND attempt = :attempt AND part_id = :part_id""")


async def take_back(tx: AsyncSession, given: Mapping[str, Any]) -> bool:
    """Notes that points of a captured part are given back, never more than it spent."""
    return (await tx.execute(_TAKE_BACK, given)).first() is not None


async def part(tx: AsyncSession, given: Mapping[str, Any]) -> Row | None:
    return (await tx.execute(_PART, given)).mappings().one_or_none()


_SPENT = sa.text("""
SELECT e.position, e.lot_id, e.points - coalesce((
    SELECT sum(back.points) FROM points.entries back
    WHERE back.order_id = e.order_id AND back.follows = e.position AND back.kind = 'given-back'
), 0)::bigint AS points
FROM points.entries e
WHERE e.order_id = :order_id AND e.attempt = :attempt AND e.part_id = :part_id AND e.kind = 'spent'
ORDER BY e.position DESC""")


async def spent(tx: AsyncSession, given: Mapping[str, Any]) -> Sequence[Row]:
    """What a captured part took of each lot and did not give back yet, the lot that lasts longest first."""
    return (await tx.execute(_SPENT, given)).mappings().all()


_RETURNED = sa.text("""
SELECT e.lot_id, sum(e.points)::bigint AS points
FROM points.entries e JOIN points.hold_parts p USING (order_id, attempt, part_id)
JOIN points.lots lot ON lot.lot_id = e.lot_id AND lot.kind = 'normal'
WHERE e.order_id = :order_id AND e.kind IN ('released', 'given-back') AND p.reissue
GROUP BY e.lot_id""")


async def returned_by_our_fault(tx: AsyncSession, order_id: str) -> Mapping[str, int]:
    """Normal points of an order that came back and are issued again where they lapse by its cancellation."""
    return {row.lot_id: row.points for row in await tx.execute(_RETURNED, {"order_id": order_id})}
