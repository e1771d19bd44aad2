"""SQL of what the store keeps beside its rows, so that one UPDATE decides: is it still the sum of them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

# A coupon's code is known to its holders only: that the total of some coupon differs is told, not of which.
_DIFFERING = sa.text("""
WITH owed AS (SELECT member_id, sum(amount) AS yen FROM store.payments WHERE credit_held GROUP BY member_id),
standing AS (SELECT * FROM store.redemptions WHERE undone_at IS NULL),
used AS (SELECT code, member_id, count(*) AS times FROM standing GROUP BY code, member_id),
used_in_all AS (SELECT code, count(*) AS times FROM standing GROUP BY code)
SELECT 'credit' AS kind, member_id AS of FROM store.credits c FULL JOIN owed o USING (member_id)
    WHERE coalesce(c.outstanding, 0) <> coalesce(o.yen, 0)
UNION
SELECT 'coupon-uses', member_id FROM store.coupon_uses k FULL JOIN used u USING (code, member_id)
    WHERE coalesce(k.used, 0) <> coalesce(u.times, 0)
UNION
SELECT 'coupons', 'coupons' FROM store.coupons c LEFT JOIN used_in_all u USING (code)
    WHERE c.used <> coalesce(u.times, 0)
UNION
SELECT 'redemption', o.order_id FROM store.orders o LEFT JOIN standing s USING (order_id)
    WHERE coalesce(s.amount, 0)
        <> CASE WHEN o.state IN ('checkout', 'dropped', 'cancelled') THEN 0 ELSE o.coupon END
ORDER BY kind, of LIMIT 100""")


async def differing(session: AsyncSession) -> Sequence[dict[str, Any]]:
    """The first hundred sums that are not those of their rows: which kind of sum, and whose."""
    return [dict(row) for row in (await session.execute(_DIFFERING)).mappings()]
