"""Coupons: stated by the campaign desk, found and used by members (ST-12, SK-21)."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from services.chassis.caller import Caller
from services.chassis.db import violated
from services.chassis.errors import InvalidField, Kind, NotFound, RuumError, Violation
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.jst import jst_date
from services.store.coupons import repository
from services.store.coupons.models import Coupon, CouponTerms
from services.store.models import ChangedCount
from services.store.orders import repository as orders


class PutCoupons(Command):
    coupons: tuple[CouponTerms, ...]


class CouponUsedMore(RuumError):
    """A total below what has been used already."""

    kind = Kind.REFUSED
    code = "coupon-used-more"


class Coupons(Verbs):
    """The coupons that the campaign desk has put in, and which of them a checkout can use."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    @command
    async def put(self, work: Work, asked: PutCoupons) -> ChangedCount:
        """Adds coupons or changes their terms; uses already made stay.

        Raises:
            InvalidField: names each coupon whose terms contradict each other (PR-12).
            CouponUsedMore: the new total is below the uses already made.
        """
        violations = [found for index, terms in enumerate(asked.coupons) for found in _violations(index, terms)]
        if violations:
            raise InvalidField(violations=violations)
        try:
            return ChangedCount(changed=await repository.put(work.tx, map(Coupon.of, asked.coupons)))
        except IntegrityError as refused:
            if violated(refused) == "coupons_used":
                raise CouponUsedMore from refused
            raise

    async def usable(self, caller: Caller, order_id: str) -> tuple[CouponTerms, ...]:
        """The coupons that the member's checkout may be paid with in part, those that end first before (SK-21).

        Raises:
            NotFound: no checkout of this member.
        """
        async with self.commands.database.reading() as session:
            order = await orders.get(session, order_id)
            if order is None or order.member_id != caller.name or order.state != "checkout":
                raise NotFound
            lines = await orders.lines_of(session, order_id)
            today = jst_date(self.commands.clock.now())
            found = await repository.open_to(session, caller.name, today)
        return tuple(coupon.terms() for coupon in found if not coupon.refusal(lines, today, 0))


def _violations(index: int, terms: CouponTerms) -> list[Violation]:
    wrong = {
        "amount_off": (terms.amount_off > 0) == (terms.percent_off > 0),
        "last_day": terms.last_day < terms.first_day,
        "name": not terms.name.complete,
    }
    return [Violation(f"coupons[{index}].{name}", "field-invalid", {}) for name, is_wrong in wrong.items() if is_wrong]
