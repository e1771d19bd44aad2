"""The deferred-payment provider: agrees at the order, invoices after the goods (ST-24, SK-38)."""

from __future__ import annotations

from datetime import date
from typing import Any

from services.chassis.partners import JsonPartner, OutcomeUnknown, Refused
from services.store.intents.models import PartnerCall
from services.store.payments.models import LAPSED, InvoiceFacts, PaymentState, Standing

_STATES: dict[str, PaymentState] = {
    "accepted": "authorised",
    "reviewing": "on-hold",
    "refused": "declined",
    "cancelled": "voided",
    "invoiced": "captured",
    "overdue": "captured",
    "paid": "captured",
}
_DECLINES = {"limit": "deferred-limit-reached"}
_REFUSED = "deferred-refused"


class DeferredPartner:
    """Its transaction is our payment; its invoice is our capture, and taking that back is our void."""

    def __init__(self, partner: JsonPartner) -> None:
        self._partner = partner

    async def authorise(self, call: PartnerCall) -> Standing:
        wanted = {
            "merchant_ref": call.merchant_ref,
            "amount": call.amount,
            "buyer": call.buyer,
            "delivery": call.delivery,
            "invoice_to": "delivery" if call.invoice_to == "delivery" else "buyer",
        }
        try:
            return _standing(await self._partner.post("/transactions", wanted, call.key))
        except Refused:
            return Standing(state="declined", decline_code=_REFUSED)

    async def renew(self, call: PartnerCall) -> Standing:  # noqa: ARG002  # the port's signature
        """What the provider agreed to does not lapse; what it withdrew it does not agree to unasked."""
        return Standing(state="declined", decline_code=LAPSED)

    async def capture(self, call: PartnerCall) -> Standing:
        return await self._act(call, "shipment")

    async def void(self, call: PartnerCall) -> Standing:
        return await self._act(call, "cancel")

    async def refund(self, call: PartnerCall) -> Standing:
        """What was paid at the counter goes back by bank transfer (ST-27): the provider cannot do it."""
        return await self._sure(call)

    async def look_up(self, call: PartnerCall) -> Standing | None:
        try:
            if call.partner_ref:
                return _standing(await self._partner.get(f"/transactions/{call.partner_ref}"))
            found = await self._partner.get("/transactions", merchant_ref=call.merchant_ref)
        except Refused:
            return None
        return next(map(_standing, found["transactions"]), None)

    async def _act(self, call: PartnerCall, what: str) -> Standing:
        try:
            return _standing(await self._partner.post(f"/transactions/{call.partner_ref}/{what}", {}, call.key))
        except Refused:
            return await self._sure(call)

    async def _sure(self, call: PartnerCall) -> Standing:
        """How the transaction stands after the provider refused something."""
        found = await self.look_up(call)
        if found is None:
            raise OutcomeUnknown(answered=False)
        return found


def _standing(said: dict[str, Any]) -> Standing:
    state = _STATES[said["state"]]
    amount, invoice = said["amount"], said["invoice"]
    return Standing(
        ref=said["id"],
        state=state,
        authorised=amount if state in {"authorised", "captured"} else 0,
        captured=amount if state == "captured" else 0,
        decline_code=_DECLINES.get(said["reason"] or "", _REFUSED) if state == "declined" else "",
        invoice=_invoice(invoice) if invoice else None,
        paid=said["state"] == "paid",
    )


def _invoice(said: dict[str, Any]) -> InvoiceFacts:
    return InvoiceFacts(
        number=said["number"],
        issued_on=date.fromisoformat(said["issued_on"]),
        due_on=date.fromisoformat(said["due_on"]),
        charges=said["charges"],
    )
