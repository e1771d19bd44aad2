"""What is to be paid, and which line bears how much of it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.store.coupons.models import Coupon
from services.store.orders.models import LineView
from services.store.sums.models import PointsWish, apportion, reckon
from tests.store.world import NOW

NO_POINTS = PointsWish(choice="none", some=0, available=0)
DAY = NOW.date()

weights = st.lists(st.integers(0, 50_000), min_size=1, max_size=8)


def line(amount: int, sku: str = "a", *, admits: bool = True, earns: bool = True) -> LineView:
    return LineView(
        line_id=f"lin_{sku}",
        product_id="prd",
        sku=sku,
        name={},
        quantity=1,
        unit_price=amount,
        tax_rate=10,
        earns_points=earns,
        admits_points=admits,
    )


def coupon(**terms: object) -> Coupon:
    stated: dict[str, object] = {"amount_off": 0, "percent_off": 0, "minimum": 0, "skus": [], "uses_per_member": 1}
    stated |= {"code": "C", "name": {}, "first_day": DAY, "last_day": DAY, "uses_total": 1}
    return Coupon.make(**stated | terms)


@pytest.mark.rule("PT-04")
@given(weights, st.integers(0, 10**6))
def test_shares_are_whole_add_up_and_differ_from_proportion_by_less_than_one(weights: list[int], total: int) -> None:
    whole = sum(weights)
    total = min(total, whole)

    shares = apportion(total, weights)

    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        exact = Fraction(total * weight, whole) if whole else Fraction(0)
        assert abs(share - exact) < 1
        assert 0 <= share <= weight


@pytest.mark.rule("PT-04")
@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (100, [1, 1, 1], None),
        (2, [1, 1, 1], [1, 1, 0]),
        (10, [3_300, 6_600], [3, 7]),
        (1, [50, 100, 100], [0, 1, 0]),
        (7, [10, 20, 40], [1, 2, 4]),
        (0, [5, 5], [0, 0]),
        (0, [0, 0], [0, 0]),
    ],
)
def test_what_is_left_over_goes_to_the_largest_remainder_and_of_equals_to_the_first(
    total: int, weights: list[int], shares: list[int] | None
) -> None:
    if shares is None:
        with pytest.raises(ValueError, match="more than there is"):
            apportion(total, weights)
    else:
        assert apportion(total, weights) == shares


@pytest.mark.rule("ST-11")
def test_goods_then_coupon_then_shipping_then_points() -> None:
    bill = reckon(
        [line(3_300, "a"), line(6_600, "b")],
        coupon(percent_off=10),
        500,
        PointsWish(choice="some", some=1_000, available=5_000),
    )

    assert bill.totals.model_dump() == {
        "goods": 9_900,
        "coupon": 990,
        "shipping": 500,
        "charges": 0,
        "points": 1_000,
        "due": 9_900 - 990 + 500 - 1_000,
        "earning_amount": 9_900 - 990 - (1_000 - bill.shipping_points),
    }
    assert [one.coupon_share for one in bill.lines] == [330, 660]
    assert sum(one.points_share for one in bill.lines) + bill.shipping_points == 1_000


@pytest.mark.rule("ST-11")
@given(
    prices=st.lists(st.integers(1, 60_000), min_size=1, max_size=5),
    off=st.integers(1, 200_000),
    shipping=st.integers(0, 2_000),
    available=st.integers(0, 300_000),
)
def test_the_sum_never_falls_below_zero(prices: list[int], off: int, shipping: int, available: int) -> None:
    lines = [line(price, str(index), admits=index % 2 == 0) for index, price in enumerate(prices)]

    totals = reckon(
        lines, coupon(amount_off=off), shipping, PointsWish(choice="all", some=0, available=available)
    ).totals

    assert totals.due >= 0
    assert totals.due == totals.goods - totals.coupon + totals.shipping - totals.points
    assert 0 <= totals.earning_amount <= totals.goods


def test_points_pay_only_for_lines_that_admit_them_and_for_shipping() -> None:
    lines = [line(1_000, "a", admits=False), line(2_000, "b")]

    bill = reckon(lines, None, 300, PointsWish(choice="all", some=0, available=10_000))

    assert [one.points_share for one in bill.lines] == [0, 2_000]
    assert bill.shipping_points == 300
    assert bill.totals.due == 1_000


@pytest.mark.rule("PT-03")
@pytest.mark.rule("SK-39")
def test_lines_without_points_and_shipping_earn_nothing() -> None:
    lines = [line(1_000, "a", earns=False), line(2_050, "b")]

    bill = reckon(lines, None, 300, NO_POINTS)

    assert bill.totals.earning_amount == 2_050


def test_a_coupon_for_one_product_takes_nothing_off_another() -> None:
    bill = reckon([line(1_000, "a"), line(400, "b")], coupon(amount_off=500, skus=["b"]), 0, NO_POINTS)

    assert [one.coupon_share for one in bill.lines] == [0, 400]
    assert bill.totals.coupon == 400
