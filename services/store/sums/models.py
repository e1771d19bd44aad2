"""What is to be paid: goods, then coupon, then shipping, then points; and which line bears how much (ST-11, PT-04)."""

from collections.abc import Sequence

from services.store.coupons.models import Coupon
from services.store.models import View
from services.store.orders.models import LineView, PointsChoice, Totals

SHIPPING_PART = "shipping"
"""The part of held points that pays for sending."""


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Shares of `total` in proportion to `weights`, by largest remainder; the earlier of equals comes first (PT-04).

    Raises:
        ValueError: the total is more than the weights together: a share would be more than its line.
    """
    whole = sum(weights)
    if total > whole:
        raise ValueError("more than there is to bear it")
    if not total:
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -(total * weights[index] % whole))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares


class Bill(View):
    """What is to be paid, and which line bears how much of coupon and points."""

    lines: tuple[LineView, ...]
    totals: Totals
    shipping_points: int


class PointsWish(View):
    """How many points are to be used (SK-20), and how many there are."""

    choice: PointsChoice
    some: int
    available: int

    def out_of(self, most: int) -> int:
        wanted = {"none": 0, "some": self.some, "all": most}[self.choice]
        return min(wanted, most, self.available)


def reckon(lines: Sequence[LineView], coupon: Coupon | None, shipping: int, points: PointsWish) -> Bill:
    """Goods, then coupon, then shipping, then points; never below zero (ST-11)."""
    off = coupon.worth(lines) if coupon else 0
    coupon_shares = apportion(off, coupon.weights(lines)) if coupon else [0] * len(lines)
    left = [line.amount - share for line, share in zip(lines, coupon_shares, strict=True)]
    admitting = [rest if line.admits_points else 0 for line, rest in zip(lines, left, strict=True)]
    bearing = [*admitting, shipping]
    spent = points.out_of(sum(bearing))
    *points_shares, shipping_points = apportion(spent, bearing)
    billed = tuple(
        line.model_copy(update={"coupon_share": of_coupon, "points_share": of_points})
        for line, of_coupon, of_points in zip(lines, coupon_shares, points_shares, strict=True)
    )
    goods = sum(line.amount for line in lines)
    earning = (line.amount - line.coupon_share - line.points_share for line in billed if line.earns_points)
    totals = Totals(
        goods=goods,
        coupon=off,
        shipping=shipping,
        points=spent,
        due=goods - off + shipping - spent,
        earning_amount=sum(earning),
    )
    return Bill(lines=billed, totals=totals, shipping_points=shipping_points)
