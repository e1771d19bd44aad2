"""The process of one spare-key order, from placing it to the key in the customer's hands (SK-13 to SK-41).

The process owns the order of steps and the waiting; the services own every fact. Each word from outside is a poke,
after which the case is read again and its state's verb runs, so that words may come doubled, late and in any order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NoReturn, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    import workflows.sparekey_order.contract as steps
    from workflows.board import Board
    from workflows.kit import OperatorAction, ProcessTime, StepFailed
    from workflows.money.contract import BeginPlacing, Payment
    from workflows.money.saga import Money
    from workflows.sparekey_order.actions import TRY_AGAIN, OperatorActions
    from workflows.sparekey_order.contract import Case, Place, PlaceAnswer, StartOrder
    from workflows.sparekey_order.words import card

S = TypeVar("S", bound=steps.CaseStep)
R = TypeVar("R")

UNPLACED_FOR = timedelta(hours=1)
PAUSE = timedelta(minutes=1)
SOON = timedelta(seconds=2)  # somebody looks at the screen
PAUSE_DOUBLES = 6
ASKED_LONG = 30  # times a minute apart: then a person looks why a partner says nothing (OP-06)


@workflow.defn(name=steps.WORKFLOW)
class SparekeyOrder(OperatorActions):
    """One order. Its verbs are named by the state in which they run."""

    @workflow.init
    def __init__(self, start: StartOrder) -> None:
        self._order = start.order_id
        self._time = ProcessTime(start)
        self._money = Money(start.order_id, self._time.now, self._key)
        self._case = Case(version=0, state="placing")
        self._payment: Payment | None = None
        self._answer: PlaceAnswer | None = None
        self._begun = False
        self._poked = False
        self._again = False
        self._asks = 0
        self._dispatch_days = 0
        self._marked: set[str] = set()
        self._board = Board(lambda problem: card(self._case, self._order, problem))
        self._verbs: dict[str, Callable[[], Awaitable[None]]] = {
            "checking": self._check,
            "number-asked": self._rest,
            "accepted": self._order_keys,
            "making": self._make,
            "ready": self._look_before_dispatch,
            "cleared": self._pay_and_release,
            "stopped": self._rest,
            "released": self._look_before_dispatch,
            "dispatched": self._travel,
            "absent": self._travel,
            "returned": self._keep,
            "redelivery-requested": self._redeliver,
            "redelivering": self._look_before_dispatch,
            "lost": self._rest,
            "cancelling": self._give_back,
            "handed-over": self._hand_over,
            "destroyed": self._destroy,
        }

    @workflow.run
    async def run(self, _start: StartOrder) -> str:
        """Ends with the state in which the case was closed."""
        await self._time.wait(lambda: self._begun, self._time.now() + UNPLACED_FOR, "waiting to be placed")
        # Placing that has begun is waited for, however long; a process that nobody places ends.
        await workflow.wait_condition(lambda: self._answer is not None or not self._begun)
        while self._payment is not None:
            await self._ask_payment()
        if self._answer is not None and self._answer.outcome == "placed":
            while self._case.state in self._verbs and "closed" not in self._marked:
                self._board.show()
                await self._surely(self._verbs[self._case.state])
            self._board.show()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._case.state

    # Placing: one update that the customer waits for (SK-27).

    @workflow.update(name=steps.PLACE, description="Place the order: sent by the service that owns the case")
    async def place(self, asked: Place) -> PlaceAnswer:
        """Places the order, or brings back whatever placing had taken.

        Raises:
            ApplicationError: refused; its type is the failure's code.
        """
        self._begun = True
        self._money.attempt = asked.attempt
        self._dispatch_days = asked.dispatch_business_days
        try:
            begin = BeginPlacing(
                request_id=self._key("begin", f"attempt={asked.attempt}"),
                as_of=self._time.now(),
                order_id=self._order,
                **asked.model_dump(exclude={"dispatch_business_days"}),
            )
            return await self._settle(await self._money.hold(begin))
        except StepFailed as failure:
            await self._refuse(failure)

    @place.validator
    def _not_twice(self, asked: Place) -> None:  # noqa: ARG002  # the handler's signature
        if self._begun:
            raise ApplicationError("order-being-placed", type="order-being-placed", non_retryable=True)

    async def _refuse(self, failure: StepFailed) -> NoReturn:
        code = failure.code if failure.decided else "try-again"
        await self._undo(code)
        raise ApplicationError(code, type=code, non_retryable=True) from failure

    async def _settle(self, payment: Payment) -> PlaceAnswer:
        """Goes on by what became of the payment."""
        self._payment = None
        if payment.state == "declined":
            await self._undo(payment.decline_code)
            self._answer = PlaceAnswer(outcome="declined", decline_code=payment.decline_code)
        elif payment.state in {"requires-action", "unknown"}:
            self._payment = payment
            self._answer = PlaceAnswer(
                outcome="requires-action" if payment.state == "requires-action" else "pending",
                redirect_url=payment.redirect_url,
                action_until=payment.action_until,
            )
        else:
            confirmed = await self._decided(lambda: self._money.confirm(self._dispatch_days))
            await self._surely(self._confirm_case)
            self._answer = PlaceAnswer(outcome="placed", order_number=confirmed.order_number)
        return self._answer

    async def _confirm_case(self) -> None:
        self._case = await steps.CONFIRM(self._step(steps.CaseStep, "confirm-placed"))

    async def _ask_payment(self) -> None:
        """Waits for the payer, or for a partner that has not answered; the store decides at the end (ST-21).

        A store that does not answer is asked again by itself: nobody's word is lost by it (QA-07).
        """
        payment = self._payment
        if payment is None:
            return
        until = payment.action_until
        if until is None or until <= self._time.now() or self._board.problem:
            until = self._time.now() + self._pause()
        self._poked = False
        await self._time.wait(lambda: self._poked, until, "the payer is at the partner's page")
        self._asks += 1
        try:
            answer = await self._settle(await self._money.authorise(self._asks))
            self._board.call("partner-silent" if answer.outcome == "pending" and self._asks >= ASKED_LONG else "")
        except StepFailed as failure:
            if not failure.decided:
                self._board.call(failure.code)
                return
            self._payment = None
            await self._undo(failure.code)
            self._answer = PlaceAnswer(outcome="declined", decline_code=failure.code)
            self._board.call("")

    def _pause(self) -> timedelta:
        """Ever longer, up to an hour, once a person was called: a history is finite, a silence need not be."""
        return PAUSE * (1 << min(max(0, self._asks - ASKED_LONG), PAUSE_DOUBLES))

    async def _undo(self, reason: str) -> None:
        """Everything that placing took is free again, whatever it takes (ST-23)."""
        await self._surely(lambda: self._money.undo(reason))
        await self._surely(lambda: self._abandon_case(reason))
        self._answer = self._answer or PlaceAnswer(outcome="declined", decline_code=reason)

    async def _abandon_case(self, reason: str) -> None:
        attempt = self._money.attempt
        given = self._step(steps.Abandoned, f"abandon-placed/attempt={attempt}", reason=reason, attempt=attempt)
        self._case = await steps.ABANDON(given)

    # After it was placed: one verb a state.

    async def _check(self) -> None:
        asked = f"check-{self._case.check_round}"
        if asked in self._marked:
            await self._rest()
            return
        given = self._step(steps.CheckRound, "check", check_round=self._case.check_round)
        self._case = await steps.CHECK(given)
        self._marked.add(asked)

    async def _order_keys(self) -> None:
        if self._case.check_round > 1:
            await self._once(f"promised-{self._case.check_round}", self._promise)
        self._case = await steps.ORDER_KEYS(self._step(steps.CaseStep, "order-keys"))

    async def _promise(self) -> None:
        """From today: the number had to be confirmed first, or the promised day has passed (SK-28)."""
        await self._money.promise(self._case.version, self._dispatch_days)

    async def _make(self) -> None:
        if self._case.arranged_at:
            await self._once("arranged", lambda: self._money.mark("arranged", self._case.arranged_at))
        await self._rest()

    async def _look_before_dispatch(self) -> None:
        """Before it is let go, and after that as long as the maker has it, whenever the room may have changed."""
        if self._case.state == "ready" or self._case.look_due:
            self._case = await steps.CHECK_DISPATCH(self._step(steps.CaseStep, "check-dispatch"))
            if self._case.state != "ready":
                return
        await self._rest()

    async def _pay_and_release(self) -> None:
        """Money before the key leaves, and the key only with the money (SK-38)."""
        self._asks += 1
        payment = await self._money.ensure(self._asks)
        if payment.state not in {"authorised", "captured", "none-needed"}:
            await self._rest()
            return
        # Renewing may have taken hours, and an operator longer: a report may have stopped the case meanwhile (SK-37).
        self._case = await steps.GET(steps.CaseRef(order_id=self._order))
        if self._case.state != "cleared":
            return
        payment = await self._money.capture(self._asks)
        if payment.state not in {"captured", "none-needed"} and not self._money.paid_later:
            await self._rest()
            return
        self._case = await steps.RELEASE(self._step(steps.CaseStep, "release-dispatch"))

    async def _travel(self) -> None:
        at = self._case.dispatched_at
        await self._once("dispatched", lambda: self._money.mark("dispatched", at))
        await self._rest()

    async def _keep(self) -> None:
        """Back at the maker: what is paid later is due all the same (SK-33)."""
        await self._once("dispatched", lambda: self._money.mark("dispatched", self._case.dispatched_at))
        await self._once("invoice", self._money.invoice)
        await self._rest()

    async def _redeliver(self) -> None:
        given = self._step(steps.Redelivery, "redeliver", redelivery=self._case.redelivery)
        self._case = await steps.REDELIVER(given)

    async def _hand_over(self) -> None:
        await self._once("delivered", lambda: self._money.mark("delivered", self._case.handed_over_at))
        await self._once("invoice", self._money.invoice)
        await self._close("handed-over")

    async def _give_back(self) -> None:
        reason = self._case.reason or "cancelled"
        self._case = await steps.STOP(self._step(steps.CaseStep, "stop"))
        if self._case.state not in {"cancelling", "cancelled"}:  # a carrier has the key
            return
        await self._money.give_back(reason)
        await self._close("cancelled", reason)

    async def _destroy(self) -> None:
        await self._once("invoice", self._money.invoice)
        await self._once("order-closed", lambda: self._money.mark("closed", unclaimed=True))
        await self._close("destroyed", self._case.reason)

    # What the verbs are made of.

    async def _rest(self) -> None:
        """Waits for word from outside, or for the next instant at which the case has something due."""
        case = self._case
        due = {
            "deadline": case.deadline,
            "reminder": case.remind_at,
            "patience": None if case.needs_operator else case.patience_until,
        }
        until, what = min(((at, what) for what, at in due.items() if at), default=(None, ""))
        if not await self._time.wait(lambda: self._poked, until, f"{case.state}: {what}"):
            await self._fall_due(what)
        # What fell due was answered with the case as it stands now; else, or when word came meanwhile, it is read.
        if self._poked or self._case.version == case.version:
            self._poked = False
            self._case = await steps.GET(steps.CaseRef(order_id=self._order))
        # It is due and nothing moved: to the service it is too early. Asked again at once it would fill the history.
        if until and self._case.version == case.version and self._time.now() >= until:
            await self._time.wait(lambda: self._poked, self._time.now() + PAUSE, "nothing moved")

    async def _fall_due(self, what: str) -> None:
        case = self._case
        if what == "deadline":
            self._case = await steps.EXPIRE(self._step(steps.CaseStep, "expire"))
        elif what == "reminder":
            said = {"reminder": case.reminder, "days": case.reminder_days, "redelivery": case.redelivery}
            self._case = await steps.REMIND(self._step(steps.Reminder, "remind", **said))
        else:
            given = self._step(steps.Because, "call-operator", reason=f"no-word-while-{case.state}")
            self._case = await steps.CALL_OPERATOR(given)
            if self._case.state == "making" and self._case.needs_operator:
                await self._promise()

    async def _once(self, mark: str, work: Callable[[], Awaitable[None]]) -> None:
        if mark not in self._marked:
            await work()
            self._marked.add(mark)

    async def _close(self, state: str, reason: str = "") -> None:
        self._case = await steps.CLOSE(self._step(steps.CloseCase, "close", state=state, reason=reason))
        self._marked.add("closed")

    async def _surely(self, work: Callable[[], Awaitable[object]]) -> None:
        """Runs work until it is done: what fails for good waits for an operator, and never ends the case (OP-04)."""
        while True:
            try:
                await work()
            except StepFailed as failure:
                self._again = False
                await self._board.stuck(failure.code, lambda: self._again)
            else:
                return

    async def _decided(self, work: Callable[[], Awaitable[R]]) -> R:
        """Repeats the step that decides until its answer is known: after it there is no undoing, only cancelling.

        Raises:
            StepFailed: the service refused it.
        """
        pause = SOON
        while True:
            try:
                done = await work()
            except StepFailed as failure:
                self._board.call("" if failure.decided else failure.code)
                if failure.decided:
                    raise
                await workflow.sleep(pause)
                pause = min(2 * pause, 5 * PAUSE)
            else:
                self._board.call("")
                return done

    async def _act(self, action: str, given: OperatorAction) -> str:
        """Carries out an operator's action; answers with the state that it led to.

        Raises:
            StepFailed: refused by the service.
        """
        info = workflow.current_update_info()
        arguments = {name: str(value) for name, value in given.model_dump(exclude={"operator", "reason"}).items()}
        acted = self._step(
            steps.Acted,
            f"act/{info.id if info else action}",
            operator=given.operator,
            reason=given.reason,
            action=action,
            arguments=arguments,
        )
        case = await steps.ACT(acted)
        if action == TRY_AGAIN:  # also what the maker was asked and refused
            self._marked.discard(f"check-{case.check_round}")
        self._poked = self._again = True
        return case.state

    @workflow.signal(name=steps.CASE_CHANGED)
    def case_changed(self) -> None:
        self._poked = True

    @workflow.signal(name=steps.PAYMENT_CHANGED)
    def payment_changed(self) -> None:
        self._poked = True

    def _key(self, *parts: str) -> str:
        return "/".join((steps.workflow_id(self._order), *parts))

    def _step(self, given: type[S], name: str, **more: object) -> S:
        key = self._key(name, f"v={self._case.version}")
        return given.model_validate({"request_id": key, "as_of": self._time.now(), "order_id": self._order} | more)
