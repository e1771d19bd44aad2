"""What payments ask of partners, whichever means it is (ST-21), and what they tell the rest of the store."""

from typing import Protocol

from services.chassis.idempotency import Work
from services.store.intents.models import Change, PartnerCall
from services.store.payments.models import Standing


class Partner(Protocol):
    """One partner. Each method makes one call, under the call's key: asked twice it acts once.

    Every method answers with how the payment stands afterwards, also when it was refused, and raises
    `OutcomeUnknown` when that cannot be said.
    """

    async def authorise(self, call: PartnerCall) -> Standing:
        """Takes the payer's promise of the amount, or asks the payer to act."""

    async def renew(self, call: PartnerCall) -> Standing:
        """Takes it anew without the payer, before the old promise lapses (SK-38)."""

    async def capture(self, call: PartnerCall) -> Standing:
        """Claims what was promised (ST-26)."""

    async def void(self, call: PartnerCall) -> Standing:
        """Gives up what was promised, or withdraws the invoice."""

    async def refund(self, call: PartnerCall) -> Standing:
        """Pays back what was claimed."""

    async def look_up(self, call: PartnerCall) -> Standing | None:
        """How the payment stands; None when the partner knows of none."""


class Follower(Protocol):
    """Whoever must follow, in the same transaction, when a partner's word came about a payment."""

    async def __call__(self, work: Work, change: Change) -> None: ...
