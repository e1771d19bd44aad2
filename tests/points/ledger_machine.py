"""A Hypothesis state machine: the ledger on a real database beside its model, step by step (QA-01).

`python -m tests.points.ledger_machine --seeds 2000 --steps 50` runs it whole and prints what it did.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from deploy.local.child import running
from deploy.local.ports import free_port
from deploy.local.postgres import ADMIN, ROLES, Postgres, create_contexts
from services.chassis import migrate
from services.chassis.db import Database
from services.chassis.errors import RuumError
from tests.points.books import disagreements
from tests.points.ledger_model import Program, Refused
from tests.points.world import World, a_member, an_order

T = TypeVar("T")
PARTS = ("a", "b", "c")
POINTS = st.lists(st.integers(1, 30), min_size=1, max_size=3)
WHICH = st.sampled_from(["all", "all", "each", "first", "last", "stranger"])
RACERS = 6


class Bench:
    """The database and the loop that all machines of a run share, and what they did."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.database = Database(url, pool_size=RACERS + 2)
        self.done: Counter[str] = Counter()
        self.examples = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def disagreements(self) -> list[str]:
        return self.run(disagreements(self.database))

    def close(self) -> None:
        self.run(self.database.close())
        self.runner.close()


def outcome_of(call: Callable[[], Any]) -> Any:
    """What the model says: its answer, or the refusal."""
    try:
        return call()
    except Refused as refused:
        return refused.code, refused.params


class LedgerMachine(RuleBasedStateMachine):
    """Two members, their orders and holds. After every step each balance is compared."""

    orders: Bundle[str] = Bundle("orders")
    holds: Bundle[tuple[str, int]] = Bundle("holds")

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        bench.examples += 1
        self.bench = bench
        self.world = World(bench.database)
        self.members = [a_member(), a_member()]
        self.model = Program(self.members)
        self.owner: dict[str, str] = {}

    def same(self, what: str, asked: Coroutine[Any, Any, Any], expected: Any) -> Any:
        """The ledger's outcome must be the model's. Returns the ledger's answer, or its refusal."""
        found = self.bench.run(self._outcome(asked))
        refused = isinstance(found, RuumError)
        self.bench.done[found.code if refused else what] += 1
        said = (found.code, found.params) if refused else expected
        assert said == expected, f"{what}: the ledger says {said}, the model {expected}"
        if isinstance(expected, tuple) and isinstance(expected[0], str):
            assert refused, f"{what}: the ledger did it, the model says {expected}"
        return found

    async def _outcome(self, asked: Awaitable[Any]) -> Any:
        try:
            return await asked
        except RuumError as failure:
            return failure

    # Time and grants.

    @initialize(target=orders)
    def a_past_to_begin_with(self) -> MultipleResults[str]:
        """Each member has points of both kinds, and an order under way."""
        for which, member in enumerate(self.members):
            order = self.place(which, 20_000)
            self.an_order_goes_on(order, "deliver")
            self.a_grant_is_asked_for(order, 11)
            self.give(member, 40, 20)
        return multiple(*(self.place(which, 3_000) for which in (0, 1)))

    @rule(days=st.sampled_from([0, 0, 1, 1, 2, 5, 11, 30, 365, 729]), seconds=st.integers(1, 50_000))
    def time_passes(self, days: int, seconds: int) -> None:
        self.world.pass_time(days=days, seconds=seconds)

    @rule(which=st.integers(0, 1), points=st.integers(1, 60), days=st.integers(-1, 40))
    def a_campaign_gives(self, which: int, points: int, days: int) -> None:
        self.give(self.members[which], points, days)

    def give(self, member: str, points: int, days: int) -> None:
        self.world.pass_time(seconds=1)  # so that the model knows which of two alike lots is the older
        last_day = self.world.today + timedelta(days=days)
        expected: Any = ("last-day-passed", {}) if days < 0 else None
        self.same("give", self.world.limited(member, points, last_day), expected)
        if days >= 0:
            self.model.members[member].new_lot(points, last_day)

    @rule(target=orders, which=st.integers(0, 1), amount=st.integers(0, 6_000))
    def an_order_is_placed(self, which: int, amount: int) -> str:
        return self.place(which, amount)

    def place(self, which: int, amount: int) -> str:
        order, member = an_order(), self.members[which]
        self.owner[order] = member
        self.model.place(member, order, amount, self.world.now)
        self.same("place", self.world.placed(member, order, amount), None)
        return order

    @rule(order=orders, how=st.sampled_from(["dispatch", "deliver", "deliver", "close_unclaimed"]))
    def an_order_goes_on(self, order: str, how: str) -> None:
        verbs = {
            "dispatch": (self.model.dispatch, self.world.dispatched),
            "deliver": (self.model.deliver, self.world.delivered),
            "close_unclaimed": (self.model.close_unclaimed, self.world.closed_unclaimed),
        }
        expect, do = verbs[how]
        expect(order, self.world.now)
        self.same(how, do(order), None)

    @rule(order=orders, days=st.sampled_from([0, 0, 11, 25]))
    def a_grant_is_asked_for(self, order: str, days: int) -> None:
        self.world.pass_time(days=days, seconds=1)
        self.model.post_grant(order, self.world.now)
        posted = self.same("post grant", self.world.post_grant(order), None)
        grant = self.model.grants[order]
        assert (posted.state, posted.points) == (grant.state, grant.points)

    @rule(order=orders, amount=st.integers(0, 6_000))
    def a_price_changes(self, order: str, amount: int) -> None:
        self.model.change_amount(order, amount)
        self.same("change amount", self.world.amount_changed(order, amount), None)

    @rule(order=orders)
    def an_order_is_cancelled(self, order: str) -> None:
        self.world.pass_time(seconds=1)
        self.model.cancel(order, self.world.now)
        self.same("cancel", self.world.cancelled(order), None)

    @rule(days=st.integers(0, 3))
    def the_night_posts_what_has_lapsed(self, days: int) -> None:
        last_day = self.world.today - timedelta(days=days)
        if days == 0:
            self.same("post expiry", self.world.post_expiry(last_day), ("day-not-over", {}))
            return
        self.model.post_expiry(last_day)
        while self.bench.run(self.world.post_expiry(last_day)).more:
            pass
        self.bench.done["post expiry"] += 1

    # Holds.

    @rule(
        target=holds,
        order=orders,
        attempt=st.integers(1, 4),
        points=POINTS,
    )
    def points_are_held(self, order: str, attempt: int, points: list[int]) -> tuple[str, int]:
        return self.hold(order, attempt, points)

    @rule(target=holds, which=st.integers(0, 1), points=POINTS)
    def an_order_is_paid_with_points(self, which: int, points: list[int]) -> tuple[str, int]:
        hold = self.hold(self.place(which, 500), 1, points)
        self.capture(hold, "all", 0)
        return hold

    def hold(self, order: str, attempt: int, points: list[int]) -> tuple[str, int]:
        parts = dict(zip(PARTS, points, strict=False))
        member = self.owner[order]
        expected = outcome_of(partial(self.model.hold, member, order, attempt, parts, self.world.now))
        self.same("hold", self.world.hold(member, order, attempt, **parts), expected)
        return order, attempt

    def named(self, hold: tuple[str, int], which: str) -> tuple[str, ...]:
        """Parts of a hold; none stands for all of them."""
        there = self.model.holds.get(hold)
        parts = tuple(there.parts) if there else PARTS
        return {"all": (), "each": parts, "first": parts[:1], "last": parts[-1:], "stranger": ("z",)}[which]

    @rule(hold=holds, which=WHICH, days=st.sampled_from([0, 0, 30]))
    def a_hold_is_captured(self, hold: tuple[str, int], which: str, days: int) -> None:
        self.capture(hold, which, days)

    def capture(self, hold: tuple[str, int], which: str, days: int) -> None:
        (order, attempt), names = hold, self.named(hold, which)
        self.world.pass_time(days=days)
        expected = outcome_of(partial(self.model.capture, order, attempt, names))
        self.same("capture", self.world.capture(order, *names, attempt=attempt), expected)

    @rule(hold=holds, which=WHICH, our_fault=st.booleans(), days=st.sampled_from([0, 0, 30]))
    def a_hold_is_released(self, hold: tuple[str, int], which: str, our_fault: bool, days: int) -> None:
        (order, attempt), names = hold, self.named(hold, which)
        self.world.pass_time(days=days, seconds=1)
        expected = outcome_of(partial(self.model.release, order, attempt, names, our_fault, self.world.now))
        released = self.world.release(order, *names, attempt=attempt, our_fault=our_fault)
        self.same("release", released, expected)

    @rule(order=orders, attempt=st.integers(3, 5))
    def what_was_not_held_yet_is_released(self, order: str, attempt: int) -> None:
        expected = outcome_of(partial(self.model.release, order, attempt, (), False, self.world.now))
        self.same("release", self.world.release(order, attempt=attempt), expected)

    @rule(hold=holds, which=WHICH, share=st.sampled_from([1, 2, 3, 3]), our_fault=st.booleans(), first=st.booleans())
    def points_are_given_back(
        self, hold: tuple[str, int], which: str, share: int, our_fault: bool, first: bool
    ) -> None:
        """A third, two thirds or all of what the part had; often of what was captured just before."""
        if first:
            self.capture(hold, "all", 0)
        (order, attempt), part = hold, (*self.named(hold, which), "a")[0]
        there = self.model.holds.get(hold)
        had = there.parts[part].points if there and part in there.parts else 3
        points = max(1, had * share // 3)
        self.world.pass_time(seconds=1)
        give = partial(self.model.give_back, order, attempt, part, points, our_fault, self.world.now)
        expected = outcome_of(give)
        asked = self.world.give_back(order, part, points, attempt=attempt, our_fault=our_fault)
        refusal = expected if isinstance(expected[0], str) else None
        given = self.same("give back", asked, refusal)
        if refusal is None:
            assert (given.returned, given.reissued, given.lost) == expected

    # Requests that come again, and requests that come at once.

    @rule(which=st.integers(0, 10_000))
    def a_request_comes_again(self, which: int) -> None:
        verb, caller, asked, answer = self.world.asked[which % len(self.world.asked)]
        again = self.bench.run(verb(caller, asked))
        self.bench.done["ask again"] += 1
        assert again == answer, f"{asked} was answered {answer}, and then {again}"

    @rule(target=holds, order=orders, points=st.integers(1, 40))
    def several_hold_at_once(self, order: str, points: int) -> MultipleResults[tuple[str, int]]:
        member, at = self.owner[order], self.world.now
        orders = [an_order() for _ in range(RACERS)]
        found = self._at_once([partial(self.world.hold, member, one, a=points) for one in orders])
        for one in self.bench.run(self.world.held_in_turn(orders)):
            self.model.hold(member, one, 1, {"a": points}, at)
        too_little = {outcome.code for outcome in found if isinstance(outcome, RuumError)}
        assert too_little <= {"points-short"}
        won = [one for one in orders if (one, 1) in self.model.holds]
        assert len(won) == sum(not isinstance(outcome, RuumError) for outcome in found)
        if too_little:
            expected = outcome_of(partial(self.model.hold, member, an_order(), 1, {"a": points}, at))
            assert expected is not None, "a hold was refused for which there were points"
        return multiple(*((one, 1) for one in orders))

    @rule(hold=holds)
    def capture_and_release_come_at_once(self, hold: tuple[str, int]) -> None:
        order, attempt = hold
        calls = [self.world.capture, self.world.release] * (RACERS // 2)
        found = self._at_once([partial(call, order, attempt=attempt) for call in calls])
        won = [call for call, outcome in zip(calls, found, strict=True) if not isinstance(outcome, RuumError)]
        assert len(won) <= 1
        if won == [self.world.capture]:
            self.model.capture(order, attempt, ())
        elif won:
            self.model.release(order, attempt, (), False, self.world.now)
        else:
            expected = outcome_of(partial(self.model.capture, order, attempt, ()))
            assert expected is not None, "neither captured nor released what was held"

    @rule(order=orders)
    def a_grant_and_its_cancellation_come_at_once(self, order: str) -> None:
        self.world.pass_time(seconds=1)
        self._at_once([partial(self.world.post_grant, order), partial(self.world.cancelled, order)])
        granted = self.bench.run(self.world.grants.review(order)).state == "granted"
        if granted:
            self.model.post_grant(order, self.world.now)
        self.model.cancel(order, self.world.now)

    def _at_once(self, calls: list[Callable[[], Coroutine[Any, Any, Any]]]) -> list[Any]:
        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*(self._outcome(call()) for call in calls))

        self.bench.done["at once"] += 1
        return self.bench.run(all_of_them())

    # What must hold after every step.

    @invariant()
    def each_balance_is_the_models(self) -> None:
        for member in self.members:
            found = self.bench.run(self.world.balance(member)).model_dump()
            found["lapses"] = [(lapse["last_day"], lapse["points"]) for lapse in found["lapses"]]
            assert found == self.model.balance(member, self.world.now)

    @invariant()
    def each_live_lot_has_left_what_the_models_has(self) -> None:
        for name in self.members:
            member = self.model.members[name]
            found = [left for _, left in self.bench.run(self.world.lots(name))]
            assert len(found) == len(member.lots)
            for lot in member.live(self.world.now):
                assert found[lot.number] == lot.left

    def teardown(self) -> None:
        if self.bench.examples % 50 == 0:
            assert self.bench.disagreements() == []


def run(bench: Bench, seeds: int, steps: int, first_seed: int | None = None, *, shrink: bool = True) -> None:
    """Runs so many machines of at most so many steps; a fixed set without a seed.

    Raises:
        AssertionError: ledger and model disagree; Hypothesis prints a way to it, a short one when it may `shrink`.
    """
    chosen = settings(
        max_examples=seeds,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=first_seed is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
    )

    class Machine(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(bench)

    run_state_machine_as_test(Machine if first_seed is None else seed(first_seed)(Machine), settings=chosen)
    assert bench.disagreements() == []


async def _on_a_database_of_its_own(work: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="ruum-ledger-") as folder:
        passwords = {name: f"{name}-test" for name in (ADMIN, *ROLES)}
        log = Path(folder) / "postgres.log"
        server = Postgres(Path(folder) / "pg", free_port(), passwords, log=log, durable=False)
        async with running(server.program()):
            await create_contexts(server.admin_url, passwords)
            await asyncio.to_thread(migrate.upgrade, "points", server.url("points_owner"))
            await asyncio.to_thread(work, server.url("points"))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="The points ledger beside its model (QA-01).")
    parser.add_argument("--seeds", type=int, default=2_000, help="machines to run")
    parser.add_argument("--steps", type=int, default=50, help="steps of each at most")
    parser.add_argument("--seed", type=int, default=1, help="where the random numbers begin")
    parser.add_argument("--shrink", action="store_true", help="look for a short way to a disagreement")
    asked = parser.parse_args()

    def work(url: str) -> None:
        bench = Bench(url)
        try:
            run(bench, asked.seeds, asked.steps, asked.seed, shrink=asked.shrink)
        finally:
            done = ", ".join(f"{name} {count}" for name, count in bench.done.most_common())
            say(f"seed {asked.seed}: {bench.examples} machines, {sum(bench.done.values())} steps: {done}")
            bench.close()
        say("no disagreement")

    asyncio.run(_on_a_database_of_its_own(work))


if __name__ == "__main__":
    main()
