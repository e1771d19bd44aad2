"""The key maker over HTTP (SK-51)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import structlog

from services.chassis.partners import JsonPartner, OutcomeUnknown, Refused
from services.sparekey.cases.models import Kind
from services.sparekey.numbers.models import KeyNumber
from services.sparekey.ports import Destination, MakerAway, MakerRefused, Ordered

_log = structlog.get_logger()

_ANSWERED_WITHIN = 10.0
_TOO_LATE = "already-dispatched"
# Our key with other content: it was done as we asked then, before address or charge changed.
_DONE = frozenset({"idempotency_key_reused"})


class HttpMaker:
    """The maker's API. What it may or may not have done is asked again under the same key."""

    def __init__(self, url: str, secret: str) -> None:
        self._maker = JsonPartner(url, secret, _ANSWERED_WITHIN)
        self.close = self._maker.close

    async def check(self, key: str, order_id: str, number: KeyNumber, kind: Kind) -> str:
        asked = {"order_ref": order_id, "key_number": number.plain, "kind": str(kind)}
        return str((await self._post("/checks", key, asked))["check_id"])

    async def order(self, key: str, order_id: str, number: KeyNumber, keys: Ordered, to: Destination) -> None:
        asked = {
            "order_ref": order_id,
            "key_number": number.plain,
            "kind": str(keys.kind),
            "quantity": keys.quantity,
            **({"building_code": keys.building_code} if keys.kind == Kind.IC else {}),
            **_destination(to),
        }
        # Each order of ours is made once: one that exists is the one that we asked for, or stopped since.
        new = await self._post("/orders", key, asked, fine={"order_exists"} | _DONE)
        if new is None and await self._stopped(order_id):
            await self.remake(f"{key}/remake", order_id)

    async def remake(self, key: str, order_id: str) -> None:
        await self._post(f"/orders/{order_id}/remake", key, {})

    async def release(self, key: str, order_id: str, to: Destination) -> None:
        await self._post(f"/orders/{order_id}/release", key, _destination(to), fine=_DONE)

    async def redeliver(self, key: str, order_id: str, to: Destination, charge: int) -> None:
        asked = {**_destination(to), "charge_yen": charge}
        await self._post(f"/orders/{order_id}/redelivery", key, asked, fine=_DONE)

    async def stop(self, key: str, order_id: str) -> bool:
        try:
            await self._post(f"/orders/{order_id}/stop", key, {}, fine={"not_found", "wrong_state"})
        except MakerRefused as refusal:
            if refusal.params["why"] != _TOO_LATE:
                raise
            return False
        return True

    async def _stopped(self, order_id: str) -> bool:
        try:
            found = await self._maker.get(f"/orders/{order_id}")
        except (OutcomeUnknown, Refused) as silent:
            raise MakerAway from silent
        return bool(found["state"] == "stopped")

    async def _post(self, path: str, key: str, asked: dict[str, Any], fine: Collection[str] = ()) -> Any:
        """What the maker answers, or nothing where it refuses with a code that is as good as done."""
        try:
            return await self._maker.post(path, asked, key)
        except OutcomeUnknown as silent:
            raise MakerAway from silent
        except Refused as refusal:
            if refusal.code in fine:
                return None
            why = refusal.code.replace("_", "-") or "no-code"
            _log.warning("the maker did not do it", status=refusal.status, code=why)
            raise MakerRefused(why=why) from refusal


def _destination(to: Destination) -> dict[str, dict[str, str]]:
    return {
        "recipient": {name: value for name, value in to.recipient.items() if value},
        "address": {name: value for name, value in to.address.items() if value},
    }
