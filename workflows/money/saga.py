"""The money of one order, from hold to capture, and how each step of it is undone; used by every order's workflow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from workflows.money import contract as steps
from workflows.money.contract import (
    BeginPlacing,
    Confirmed,
    ConfirmOrder,
    GiveBackPoints,
    HoldPoints,
    MarkOrder,
    Means,
    OrderStep,
    Payment,
    Placing,
    PromiseDispatch,
    ReleasePoints,
    WithReason,
)

S = TypeVar("S", bound=OrderStep)


class Money:
    """The money of one order and one try of placing it.

    Args:
        order_id: whose.
        now: the process's time.
        key: makes a request id of a step's name and ordinal.
    """

    def __init__(self, order_id: str, now: Callable[[], datetime], key: Callable[..., str]) -> None:
        self.order_id = order_id
        self.attempt = 0
        self.placing: Placing | None = None
        self.points_spent = False
        self._now = now
        self._key = key
        self._means: Means | None = None
        self._undo: list[Callable[[str], Awaitable[object]]] = []

    @property
    def paid_later(self) -> bool:
        """By invoice, after the goods came (SK-38)."""
        return self._means == "deferred"

    async def hold(self, asked: BeginPlacing) -> Payment:
        """Freezes the order, holds its points and authorises its payment.

        Each undoing is noted before its step, since a step may have had its effect and lost its answer.

        Raises:
            StepFailed: a step was refused or could not be done; `undo` brings everything back.
        """
        self.attempt = asked.attempt
        self._undo.append(self._abandon)
        self.placing = await steps.BEGIN(asked)
        self._means = self.placing.means
        if self.placing.points:
            self._undo.append(self._release)
            held = self._step(HoldPoints, "hold", member_id=self.placing.member_id, parts=self.placing.points_parts)
            await steps.HOLD(held)
        return await self.authorise()

    async def authorise(self, ordinal: int = 0) -> Payment:
        """Asks for the payment, or how it stands: the store calls the partner once and looks up ever after."""
        return self._told(await steps.AUTHORISE(self._step(OrderStep, "authorise", ordinal)))

    async def confirm(self, dispatch_business_days: int) -> Confirmed:
        """The order is placed; from here on it is cancelled, not undone."""
        confirmed = await steps.CONFIRM(
            self._step(ConfirmOrder, "confirm", dispatch_business_days=dispatch_business_days)
        )
        self._undo.clear()
        return confirmed

    async def undo(self, reason: str) -> None:
        """Undoes whatever was done, the last first; where one fails, the next call goes on with it."""
        while self._undo:
            await self._undo[-1](reason)
            self._undo.pop()  # only now: what failed is still to be undone

    async def ensure(self, ordinal: int) -> Payment:
        return self._told(await steps.ENSURE(self._step(OrderStep, "ensure", ordinal)))

    async def capture(self, ordinal: int) -> Payment:
        """Spends the points held, then captures the payment (SK-38)."""
        if self.placing and self.placing.points:
            await steps.CAPTURE_POINTS(self._step(OrderStep, "capture-points"))
            self.points_spent = True
        return await steps.CAPTURE(self._step(OrderStep, "capture", ordinal))

    async def give_back(self, reason: str) -> None:
        """Everything back after the order was placed: money, coupon, credit and points (SK-13)."""
        await steps.CANCEL(self._step(WithReason, "cancel", reason=reason))
        if not self.placing or not self.placing.points:
            return
        if self.points_spent:
            parts = self.placing.points_parts
            await steps.GIVE_BACK(self._step(GiveBackPoints, "give-back", parts=parts, reissue_lapsed=True))
        else:
            await steps.RELEASE(self._step(ReleasePoints, "release", reissue_lapsed=True))

    async def mark(self, state: str, happened_at: datetime | None = None, *, unclaimed: bool = False) -> None:
        await steps.MARK(
            self._step(MarkOrder, f"mark-{state}", state=state, happened_at=happened_at, unclaimed=unclaimed)
        )

    async def promise(self, ordinal: int, business_days: int) -> None:
        await steps.PROMISE(self._step(PromiseDispatch, "promise", ordinal, business_days=business_days))

    async def invoice(self) -> None:
        """Has the invoice issued, where the order is paid later (SK-38)."""
        if self.paid_later:
            await steps.INVOICE(self._step(OrderStep, "invoice"))

    def _told(self, payment: Payment) -> Payment:
        self._means = payment.means or self._means
        return payment

    async def _abandon(self, reason: str) -> None:
        await steps.ABANDON(self._step(WithReason, "abandon", reason=reason))

    async def _release(self, _reason: str) -> None:
        await steps.RELEASE(self._step(ReleasePoints, "release"))

    def _step(self, given: type[S], name: str, ordinal: int = 0, **more: object) -> S:
        key = self._key(name, f"attempt={self.attempt}", *([f"n={ordinal}"] if ordinal else []))
        common = {"request_id": key, "as_of": self._now(), "order_id": self.order_id, "attempt": self.attempt}
        return given.model_validate(common | more)
