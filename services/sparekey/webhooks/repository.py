"""Statements on partners' webhooks, scans and parcels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.chassis.rows import one
from services.sparekey.webhooks.models import Parcel, Scan, Webhook

webhooks, scans, parcels = Webhook.table(), Scan.table(), Parcel.table()


async def seen(session: AsyncSession, partner: str, message_id: str) -> bool:
    taken = (webhooks.c.partner == partner, webhooks.c.message_id == message_id)
    return bool(await session.scalar(sa.select(sa.exists().where(*taken))))


async def take(tx: AsyncSession, webhook: Webhook) -> None:
    await tx.execute(sa.insert(webhooks).values(webhook.model_dump()))


async def turn(tx: AsyncSession, tracking_number: str) -> None:
    """Whoever learns of one parcel at once takes turns, also while nobody knows whose it is."""
    await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"parcel {tracking_number}"))))


async def note_scan(tx: AsyncSession, scan: Scan) -> bool:
    """Returns false when this scan is known."""
    noted = insert(scans).values(scan.model_dump()).on_conflict_do_nothing().returning(scans.c.event_id)
    return (await tx.execute(noted)).first() is not None


async def scans_of(tx: AsyncSession, tracking_number: str) -> Sequence[Scan]:
    return (await tx.scalars(sa.select(Scan).where(col(Scan.tracking_number) == tracking_number))).all()


async def note_parcel(
    tx: AsyncSession, tracking_number: str, order_id: str, returned_on: date | None = None
) -> Parcel | None:
    """Notes a parcel, or when it was back. Returns nothing when it is another order's."""
    # The first day of return counts; a repetition without one takes nothing away.
    new = insert(parcels).values(tracking_number=tracking_number, order_id=order_id, returned_on=returned_on)
    noted = new.on_conflict_do_update(
        index_elements=["tracking_number"],
        set_={"returned_on": sa.func.coalesce(parcels.c.returned_on, new.excluded.returned_on)},
        where=parcels.c.order_id == new.excluded.order_id,
    ).returning(Parcel)
    return await one(tx, Parcel, noted)


async def parcel(tx: AsyncSession, tracking_number: str) -> Parcel | None:
    """A parcel that the maker has told of."""
    return (await tx.scalars(sa.select(Parcel).where(col(Parcel.tracking_number) == tracking_number))).one_or_none()
