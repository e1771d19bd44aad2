"""What the domain answers, as the contract writes it, where the contract puts together what the domain has apart."""

from __future__ import annotations

from ruum.sparekey.v1 import sparekey_pb2 as pb
from services.chassis import wire
from services.sparekey.drafts.domain import Draft
from services.sparekey.orders.domain import KeyOrder
from services.sparekey.placing.domain import Review


def draft(view: Draft) -> pb.Draft:
    return wire.write(
        pb.Draft,
        view.case,
        key_number_entered=view.key_number_entered,
        key_number_masked=view.key_number_masked,
        look_alikes=view.look_alikes,
        checkout=view.checkout.shown,
    )


def review(view: Review) -> pb.Review:
    return wire.write(
        pb.Review,
        view,
        order_id=view.draft.case.order_id,
        key_number_grouped=view.number.grouped,
        draft=draft(view.draft),
    )


def key_order(view: KeyOrder) -> pb.KeyOrder:
    return wire.write(
        pb.KeyOrder,
        view.case,
        key_number_masked=view.key_number_masked,
        timeline=view.timeline,
        next=view.outlook.next,
        until=view.outlook.until,
        actions=view.outlook.actions,
        redelivery_charge=view.redelivery_charge,
        order=view.order.shown if view.order else None,
        wish_dates_offered=view.wish_dates_offered,
    )
