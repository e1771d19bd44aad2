"""EPOS: the payer signs in at its page and agrees there (SK-23)."""

from __future__ import annotations

from typing import Any

from services.chassis.partners import JsonPartner, OutcomeUnknown, Refused
from services.store.intents.models import PartnerCall
from services.store.payments.models import LAPSED, PAYER_LATE, PaymentState, Standing

_STATES: dict[str, PaymentState] = {
    "open": "requires-action",
    "approved": "authorised",
    "declined": "declined",
    "expired": "declined",
    "captured": "captured",
    "voided": "voided",
}
_DECLINES = {"declined": "epos-declined", "expired": PAYER_LATE}


class EposPartner:
    def __init__(self, partner: JsonPartner, public_url: str) -> None:
        self._partner = partner
        self._public_url = public_url

    async def authorise(self, call: PartnerCall) -> Standing:
        wanted = {
            "merchant_ref": call.merchant_ref,
            "amount": call.amount,
            "return_url": call.return_url(self._public_url),
        }
        try:
            return _standing(await self._partner.post("/payments", wanted, call.key))
        except Refused:
            return Standing(state="declined", decline_code=_DECLINES["declined"])

    async def renew(self, call: PartnerCall) -> Standing:  # noqa: ARG002  # the port's signature
        """What was approved does not lapse; anything else needs the payer at EPOS's page."""
        return Standing(state="declined", decline_code=LAPSED)

    async def capture(self, call: PartnerCall) -> Standing:
        return await self._act(call, "capture", {"amount": call.amount})

    async def void(self, call: PartnerCall) -> Standing:
        return await self._act(call, "void", {})

    async def refund(self, call: PartnerCall) -> Standing:
        return await self._act(call, "refund", {"amount": call.amount})

    async def look_up(self, call: PartnerCall) -> Standing | None:
        try:
            if call.partner_ref:
                return _standing(await self._partner.get(f"/payments/{call.partner_ref}"))
            found = await self._partner.get("/payments", merchant_ref=call.merchant_ref)
        except Refused:
            return None
        return next(map(_standing, found["payments"]), None)

    async def _act(self, call: PartnerCall, what: str, content: dict[str, int]) -> Standing:
        try:
            return _standing(await self._partner.post(f"/payments/{call.partner_ref}/{what}", content, call.key))
        except Refused:
            found = await self.look_up(call)
            if found is None:
                raise OutcomeUnknown(answered=False) from None
            return found


def _standing(said: dict[str, Any]) -> Standing:
    state = _STATES[said["state"]]
    return Standing(
        ref=said["id"],
        state=state,
        authorised=said["amount"] if state in {"authorised", "captured"} else 0,
        captured=said["captured"],
        refunded=said["refunded"],
        decline_code=_DECLINES.get(said["state"], ""),
        redirect_url=said["redirect_url"] if state == "requires-action" else "",
    )
