"""Coupons over gRPC: decode, ask, encode."""

from __future__ import annotations

from datetime import date

from ruum.store.v1 import store_pb2
from services.chassis.door import caller
from services.chassis.errors import InvalidField, Violation
from services.store.coupons.domain import Coupons, PutCoupons
from services.store.coupons.models import CouponTerms
from services.store.servicer import Context, day, local_text, read_text


class CouponsServicer:
    coupons: Coupons

    async def PutCoupons(self, request: store_pb2.PutCouponsRequest, context: Context) -> store_pb2.PutCouponsResponse:
        asked = PutCoupons(request_id=request.request_id, terms=tuple(map(_terms, request.coupons)))
        return store_pb2.PutCouponsResponse(changed=(await self.coupons.put(caller(), asked)).changed)

    async def ListUsableCoupons(
        self, request: store_pb2.ListUsableCouponsRequest, context: Context
    ) -> store_pb2.ListUsableCouponsResponse:
        usable = await self.coupons.usable(caller(), request.order_id)
        return store_pb2.ListUsableCouponsResponse(coupons=map(_coupon, usable))


def _coupon(terms: CouponTerms) -> store_pb2.Coupon:
    return store_pb2.Coupon(
        code=terms.code,
        name=local_text(terms.name.model_dump()),
        amount_off=terms.amount_off,
        percent_off=terms.percent_off,
        last_day=day(terms.last_day),
        minimum=terms.minimum,
    )


def _terms(coupon: store_pb2.CouponTerms) -> CouponTerms:
    return CouponTerms(
        code=coupon.code,
        name=read_text(coupon.name),
        amount_off=coupon.amount_off,
        percent_off=coupon.percent_off,
        first_day=_day(coupon.first_day.iso, "first_day"),
        last_day=_day(coupon.last_day.iso, "last_day"),
        minimum=coupon.minimum,
        skus=tuple(coupon.skus),
        uses_per_member=coupon.uses_per_member,
        uses_total=coupon.uses_total,
    )


def _day(iso: str, field: str) -> date:
    try:
        return date.fromisoformat(iso)
    except ValueError:
        raise InvalidField(violations=[Violation(f"coupons.{field}", "field-invalid", {})]) from None
