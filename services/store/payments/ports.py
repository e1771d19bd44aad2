"""What payments ask of partners, whichever means it is (ST-21), and what they tell the rest of the store."""

from typing import Protocol

from services.chassis.idempotency import Work
from services.store.intents.models import Change, Errand
from services.store.payments.models import Standing


class OutcomeUnknown(Exception):
    """The partner may or may not have done it: time passed, the connection broke, or it failed inside.

    Args:
        answered: the partner did answer, with a failure of its own, so that nothing is under way any more.
    """

    def __init__(self, *, answered: bool) -> None:
        super().__init__("answered" if answered else "silent")
        self.answered = answered


class Partner(Protocol):
    """One partner. Each call is made under the errand's key: asked twice it acts once.

    Every method answers with how the payment stands afterwards, also when it was refused, and raises
    `OutcomeUnknown` when that cannot be said.
    """

    async def authorise(self, errand: Errand) -> Standing:
        """Takes the payer's promise of the amount, or asks the payer to act."""

    async def renew(self, errand: Errand) -> Standing:
        """Takes it anew without the payer, before the old promise lapses (SK-38)."""

    async def capture(self, errand: Errand) -> Standing:
        """Claims what was promised (ST-26)."""

    async def void(self, errand: Errand) -> Standing:
        """Gives up what was promised, or withdraws the invoice."""

    async def refund(self, errand: Errand) -> Standing:
        """Pays back what was claimed."""

    async def look_up(self, errand: Errand) -> Standing | None:
        """How the payment stands; None when the partner knows of none."""


class Follower(Protocol):
    """Whoever must follow, in the same transaction, when a partner's word came about a payment."""

    async def __call__(self, work: Work, change: Change) -> None: ...
