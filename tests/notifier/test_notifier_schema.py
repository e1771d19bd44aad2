"""What the database itself refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from services.chassis.db import Database
from services.chassis.ids import new_id

_ADD = """
insert into notifier.deliveries (id, event_id, recipient, letter, facts, urgent, planned_at, state, due_at, tries,
  channel, address_digest, failure, ended_at)
values (:id, :event_id, :recipient, 'points-granted', '{}', false, now(), :state, '9000-01-01', :tries,
  :channel, :address_digest, '', :ended_at)
"""


async def added(database: Database, **changed: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"id": new_id("dlv"), "event_id": new_id("evt"), "recipient": new_id("mem")}
    values |= {"state": "planned", "tries": 0, "channel": None, "address_digest": None, "ended_at": None}
    await database.transact(lambda tx: tx.execute(sa.text(_ADD), values | changed))
    return values | changed


@pytest.mark.parametrize(
    ("changed", "constraint"),
    [
        ({"state": "lost", "ended_at": datetime(2026, 5, 1, tzinfo=UTC)}, "deliveries_state"),
        ({"state": "sent"}, "deliveries_ended"),
        ({"tries": -1}, "deliveries_tries"),
        ({"channel": "mail"}, "deliveries_addressed"),
        ({"channel": "pigeon", "address_digest": "d"}, "deliveries_channel"),
    ],
)
async def test_a_delivery_stands_as_deliveries_may(
    database: Database, changed: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        await added(database, **changed)


@pytest.mark.rule("OP-11")
async def test_an_event_cannot_be_told_twice_to_one_recipient(database: Database) -> None:
    first = await added(database)

    with pytest.raises(IntegrityError, match="deliveries_once"):
        await added(database, event_id=first["event_id"], recipient=first["recipient"])
