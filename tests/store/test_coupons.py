from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.errors import InvalidField, RuumError
from services.chassis.ids import new_id
from services.store.coupons import repository
from services.store.coupons.domain import CouponUsedMore, PutCoupons
from services.store.coupons.models import CouponTerms, Redemption
from services.store.models import LocalText
from services.store.placing.domain import CouponTaken
from tests.store.test_checkouts import fields
from tests.store.world import CAMPAIGNS, NOW, World, as_member, new_member, request_id
from tests.support.insisting import insisting

TODAY = NOW.date()
DAY = timedelta(days=1)


@pytest.mark.rule("ST-12")
@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"first_day": TODAY + DAY}, "coupon-not-yet"),
        ({"last_day": TODAY - DAY}, "coupon-over"),
        ({"skus": ("key-ic",)}, "coupon-not-for-this"),
        ({"minimum": 3_301}, "coupon-below-minimum"),
        ({"minimum": 3_300, "skus": ("key-normal",), "first_day": TODAY, "last_day": TODAY}, ""),
    ],
)
async def test_a_coupon_holds_within_its_window_for_its_products_from_its_minimum(
    world: World, member: str, terms: dict[str, object], code: str
) -> None:
    coupon = await world.coupon(**terms)
    view = await world.opened(member)

    if not code:
        assert (await world.updated(view, coupon_code=coupon)).totals.coupon == 500
        return
    with pytest.raises(InvalidField) as refused:
        await world.updated(view, coupon_code=coupon)
    assert fields(refused) == {"coupon_code": code}


async def test_a_code_that_there_is_not_is_said_to_be_unknown(world: World, member: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await world.updated(await world.opened(member), coupon_code="NOPE")

    assert fields(refused) == {"coupon_code": "coupon-unknown"}


@pytest.mark.parametrize("typed", [" {} ", "{}"])
async def test_a_code_is_taken_however_it_is_typed(world: World, member: str, typed: str) -> None:
    code = await world.coupon(amount_off=0, percent_off=33)

    view = await world.updated(await world.opened(member), coupon_code=typed.format(code.lower()))

    assert (view.coupon_code, view.totals.coupon) == (code, 1_089)
    assert (await world.updated(view, coupon_code="")).totals.coupon == 0


@pytest.mark.rule("SK-21")
async def test_the_coupons_that_may_be_used_are_listed_those_that_end_first_before(world: World, member: str) -> None:
    view = await world.opened(member)
    soon, late = await world.coupon(last_day=TODAY + DAY), await world.coupon(last_day=TODAY + 9 * DAY)
    unusable = [
        await world.coupon(last_day=TODAY - DAY),
        await world.coupon(minimum=4_000),
        await world.coupon(skus=("key-ic",)),
    ]
    order = await world.placed(other := new_member(), coupon_code=await world.coupon())

    listed = [terms.code for terms in await world.store.coupons.usable(as_member(member), view.order_id)]

    assert [code for code in listed if code in {soon, late}] == [soon, late]
    assert not set(unusable) & set(listed)
    mine = [
        terms.code for terms in await world.store.coupons.usable(as_member(other), (await world.opened(other)).order_id)
    ]
    assert order.coupon_code not in mine


@pytest.mark.rule("ST-12")
async def test_a_member_uses_a_coupon_as_often_as_it_says(world: World, member: str) -> None:
    code = await world.coupon(uses_per_member=2)
    for _ in range(2):
        await world.placed(member, coupon_code=code)

    with pytest.raises(InvalidField) as refused:
        await world.ready(member, coupon_code=code)

    assert fields(refused) == {"coupon_code": "coupon-used-by-you"}


@pytest.mark.rule("QA-03")
@pytest.mark.parametrize(("in_all", "for_each"), [(1, 1), (1_000, 1)], ids=["members", "orders of one member"])
async def test_of_two_hundred_at_once_one_gets_the_last_use(world: World, in_all: int, for_each: int) -> None:
    code = await world.coupon(uses_total=in_all, uses_per_member=for_each)
    barrier, somebody = asyncio.Barrier(200), new_member()

    async def use() -> bool:
        who = somebody if in_all > 1 else new_member()
        redemption = Redemption.make(
            order_id=new_id("ord"), attempt=1, code=code, member_id=who, amount=500, redeemed_at=NOW
        )
        await barrier.wait()
        try:
            await insisting(lambda: world.database.transact(lambda tx: redeemed(tx, redemption)))
        except CouponTaken:
            return False
        return True

    won = await asyncio.gather(*(use() for _ in range(200)))

    assert won.count(True) == 1
    assert await world.scalar("select used from coupons where code = :c", c=code) == 1
    assert await world.scalar("select count(*) from redemptions where code = :c", c=code) == 1


async def redeemed(tx: AsyncSession, redemption: Redemption) -> None:
    """As placing does it: what is not had is rolled back."""
    if not await repository.redeem(tx, redemption):
        raise CouponTaken


@pytest.mark.rule("QA-03")
async def test_of_many_orders_placed_at_once_one_has_the_last_use(world: World) -> None:
    code = await world.coupon(uses_total=1)
    views = [await world.ready(new_member(), coupon_code=code) for _ in range(12)]
    confirmed = [await world.snapshot(view) for view in views]
    barrier = asyncio.Barrier(len(views))

    async def place(index: int) -> str:
        await barrier.wait()
        try:
            await world.begun(views[index], snapshot_hash=confirmed[index].snapshot_hash)
        except RuumError as refused:
            return refused.code
        return "placed"

    outcomes = await asyncio.gather(*(place(index) for index in range(len(views))))

    assert outcomes.count("placed") == 1
    assert set(outcomes) <= {"placed", "coupon-taken", "order-changed"}
    assert await world.scalar("select used from coupons where code = :c", c=code) == 1


async def test_a_coupon_taken_in_this_very_moment_leaves_the_order_as_it_was(
    world: World, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await world.coupon(uses_total=1)
    view = await world.ready(member, coupon_code=code)
    confirmed = (await world.snapshot(view)).snapshot_hash
    redeem = world.store.placings._redeem

    async def too_late(*given: object) -> None:
        await world.scalar("update coupons set used = 1 where code = :c returning 1", c=code)
        await redeem(*given)  # type: ignore[arg-type]  # as it was given

    monkeypatch.setattr(world.store.placings, "_redeem", too_late)
    with pytest.raises(CouponTaken):
        await world.begun(view, snapshot_hash=confirmed)

    assert (await world.row(view.order_id)).state == "checkout"


async def test_terms_that_contradict_each_other_are_refused_by_their_field(world: World) -> None:
    for terms, field in (
        ({"amount_off": 0, "percent_off": 0}, "amount_off"),
        ({"amount_off": 5, "percent_off": 5}, "amount_off"),
        ({"last_day": TODAY - 20 * DAY}, "last_day"),
    ):
        with pytest.raises(InvalidField) as refused:
            await world.coupon(**terms)
        assert [violation.field for violation in refused.value.violations] == [f"coupons[0].{field}"]


async def test_changed_terms_keep_the_uses_and_never_allow_fewer_than_were_made(world: World, member: str) -> None:
    code = await world.coupon(uses_total=5)
    await world.placed(member, coupon_code=code)

    async def put(**changed: object) -> int:
        name = LocalText(ja="割引", en="off", zh_hans="优惠")
        stated: dict[str, object] = {"amount_off": 500, "percent_off": 0, "first_day": TODAY, "last_day": TODAY}
        stated |= {"minimum": 0, "skus": (), "uses_per_member": 1, "uses_total": 5} | changed
        terms = CouponTerms(code=code, name=name, **stated)
        return (await world.store.coupons.put(CAMPAIGNS, PutCoupons(request_id=request_id(), coupons=(terms,)))).changed

    assert (await put(uses_total=3), await put(uses_total=3)) == (1, 0)
    assert await world.scalar("select used from coupons where code = :c", c=code) == 1
    await world.scalar("update coupons set used = 3 where code = :c returning 1", c=code)
    with pytest.raises(CouponUsedMore):
        await put(uses_total=2)
