"""A Hypothesis state machine: the ledger on a real database beside its model, step by step (QA-01).

`python -m tests.points.ledger_machine --seeds 2000 --steps 50` runs it whole and prints what it did.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from deploy.local.child import running
from deploy.local.ports import free_port
from deploy.local.postgres import ADMIN, ROLES, Postgres, create_contexts
from services.chassis import migrate
from services.chassis.db import Database
from services.chassis.errors import RuumError
from services.chassis.jst import deadline
from tests.points.books import disagreements
from tests.points.ledger_model import Program, Refused
from tests.points.world import World, a_member, an_order

T = TypeVar("T")
PARTS = ("a", "b", "c")
POINTS = st.lists(st.integers(1, 20), min_size=1, max_size=3)
AMOUNT = st.integers(0, 6_000)
N = st.integers(0, 30)
DAYS = st.sampled_from([0, 0, 0, 11, 30])
GOES_ON = ["dispatch", "deliver", "deliver", "go astray", "close", "grant", "grant", "cancel"]
WHICH = st.sampled_from(["all", "all", "first", "last", "stranger"])
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


@dataclass(frozen=True)
class Refusal:
    code: str
    params: Mapping[str, Any]


def outcome_of(call: Callable[[], Any]) -> Any:
    """What the model says: its answer, or its refusal."""
    try:
        return call()
    except Refused as refused:
        return Refusal(refused.code, refused.params)


async def _outcome(asked: Awaitable[Any]) -> Any:
    """What the ledger says."""
    try:
        return await asked
    except RuumError as failure:
        return failure


class LedgerMachine(RuleBasedStateMachine):
    """Two members, their orders and holds. After every step each balance is compared.

    Few rules that each do one of several things: Hypothesis leaves rules out at random, and what needs a long way
    (hold, capture, lapse, give back, cancel) would hardly ever be reached by many small ones.
    """

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        bench.examples += 1
        self.bench = bench
        self.world = World(bench.database)
        self.members = [a_member(), a_member()]
        self.model = Program(self.members)
        self.owner: dict[str, str] = {}
        self.orders: list[str] = []
        self.tries: list[tuple[str, int]] = []

    def same(self, what: str, asked: Coroutine[Any, Any, Any], expected: Any) -> Any:
        """The ledger's outcome must be the model's: a refusal, or anything else. Returns it."""
        found = self.bench.run(_outcome(asked))
        refused = isinstance(found, RuumError)
        self.bench.done[found.code if refused else what] += 1
        said = Refusal(found.code, found.params) if refused else None
        wanted = expected if isinstance(expected, Refusal) else None
        assert said == wanted, f"{what}: the ledger says {said}, the model {wanted}"
        return found

    @initialize()
    def a_past_to_begin_with(self) -> None:
        """Each member has points of both kinds, an order that gave some, and an order under way."""
        for which, member in enumerate(self.members):
            granted = self.place(which, 12_000)
            self.go_on(granted, "deliver")
            self.world.pass_time(days=11)
            self.go_on(granted, "grant")
            self.give(member, 20, 20)
            self.place(which, 3_000)

    @rule(days=st.sampled_from([0, 0, 1, 1, 2, 5, 11, 30, 365, 729]), seconds=st.integers(1, 50_000))
    def time_passes(self, days: int, seconds: int) -> None:
        self.world.pass_time(days=days, seconds=seconds)

    # Points come and go.

    @rule(which=st.integers(0, 1), points=st.integers(1, 60), days=st.integers(-1, 40))
    def a_campaign_gives(self, which: int, points: int, days: int) -> None:
        self.give(self.members[which], points, days)

    def give(self, member: str, points: int, days: int) -> None:
        self.world.pass_time(seconds=1)  # so that the model knows which of two alike lots is the older
        last_day = self.world.today + timedelta(days=days)
        expected = Refusal("last-day-passed", {}) if days < 0 else None
        self.same("give", self.world.limited(member, points, last_day), expected)
        if days >= 0:
            self.model.members[member].new_lot(points, last_day)

    @rule(days=st.integers(0, 3))
    def the_night_posts_what_has_lapsed(self, days: int) -> None:
        last_day = self.world.today - timedelta(days=days)
        if days == 0:
            self.same("post expiry", self.world.post_expiry(last_day), Refusal("day-not-over", {}))
            return
        self.model.post_expiry(last_day)
        while self.bench.run(self.world.post_expiry(last_day)).more:
            pass
        self.bench.done["post expiry"] += 1
        for name, member in self.model.members.items():
            found = [left for _, left in self.bench.run(self.world.lots(name))]
            lapsed = [lot for lot in member.lots if not member.lives(lot, deadline(last_day))]
            assert all(found[lot.number] == 0 for lot in lapsed), "lapsed and not posted"

    # Orders.

    @rule(which=st.integers(0, 1), amount=AMOUNT, points=st.none() | POINTS, capture=st.booleans())
    def an_order_is_placed(self, which: int, amount: int, points: list[int] | None, capture: bool) -> None:
        order = self.place(which, amount)
        if points:
            self.hold(order, 1, points)
        if points and capture:
            self.decide((order, 1), "capture", "all", our_fault=False)

    def place(self, which: int, amount: int) -> str:
        order, member = an_order(), self.members[which]
        self.owner[order] = member
        self.orders.append(order)
        self.model.place(member, order, amount, self.world.now)
        self.same("place", self.world.placed(member, order, amount), None)
        return order

    @rule(n=N, what=st.sampled_from(GOES_ON), days=DAYS)
    def an_order_goes_on(self, n: int, what: str, days: int) -> None:
        self.world.pass_time(days=days, seconds=1)
        self.go_on(self.orders[n % len(self.orders)], what)

    def go_on(self, order: str, what: str) -> None:
        verbs: dict[str, tuple[Callable[[str, datetime], None], Callable[[str], Coroutine[Any, Any, Any]]]] = {
            "dispatch": (self.model.dispatch, self.world.dispatched),
            "deliver": (self.model.deliver, self.world.delivered),
            "go astray": (self.model.go_astray, self.world.went_astray),
            "close": (self.model.close_unclaimed, self.world.closed_unclaimed),
            "grant": (self.model.post_grant, self.world.post_grant),
            "cancel": (self.model.cancel, self.world.cancelled),
        }
        expect, do = verbs[what]
        expect(order, self.world.now)
        found = self.same(what, do(order), None)
        if what == "grant":
            grant = self.model.grants[order]
            assert (found.state, found.points) == (grant.state, grant.points)

    @rule(n=N, amount=AMOUNT)
    def a_price_changes(self, n: int, amount: int) -> None:
        order = self.orders[n % len(self.orders)]
        self.model.change_amount(order, amount)
        self.same("change amount", self.world.amount_changed(order, amount), None)

    # Holds.

    @rule(n=N, attempt=st.integers(1, 6), points=POINTS)
    def points_are_held(self, n: int, attempt: int, points: list[int]) -> None:
        self.hold(self.orders[n % len(self.orders)], attempt, points)

    def hold(self, order: str, attempt: int, points: list[int]) -> None:
        parts = dict(zip(PARTS, points, strict=False))
        self.tries.append((order, attempt))
        member = self.owner[order]
        expected = outcome_of(partial(self.model.hold, member, order, attempt, parts, self.world.now))
        self.same("hold", self.world.hold(member, order, attempt, **parts), expected)

    @rule(n=N, what=st.sampled_from(["capture", "release"]), which=WHICH, our_fault=st.booleans(), days=DAYS)
    def a_hold_is_decided(self, n: int, what: str, which: str, our_fault: bool, days: int) -> None:
        self.world.pass_time(days=days, seconds=1)
        self.decide(self.tried(n, "held")[:2], what, which, our_fault)

    def tried(self, n: int, state: str) -> tuple[str, int, str]:
        """A part in this state, or now and then whatever was asked for, were it never held."""
        alike = [
            (order, attempt, name)
            for (order, attempt), hold in self.model.holds.items()
            for name, part in hold.parts.items()
            if part.state == state
        ]
        anything = [(order, attempt, "a") for order, attempt in self.tries] or [(self.orders[0], 1, "a")]
        chosen = alike if alike and n % 5 else anything
        return chosen[n % len(chosen)]

    def decide(self, hold: tuple[str, int], what: str, which: str, our_fault: bool) -> None:
        there = self.model.holds.get(hold)
        parts = tuple(there.parts) if there else PARTS
        names: tuple[str, ...] = {"all": (), "first": parts[:1], "last": parts[-1:], "stranger": ("z",)}[which]
        (order, attempt), now = hold, self.world.now
        if what == "capture":
            expected = outcome_of(partial(self.model.capture, order, attempt, names))
            self.same(what, self.world.capture(order, *names, attempt=attempt), expected)
        else:
            expected = outcome_of(partial(self.model.release, order, attempt, names, our_fault, now))
            released = self.world.release(order, *names, attempt=attempt, our_fault=our_fault)
            self.same(what, released, expected)

    @rule(n=N, thirds=st.integers(1, 4), our_fault=st.booleans(), days=DAYS)
    def points_are_given_back(self, n: int, thirds: int, our_fault: bool, days: int) -> None:
        """Some, all, or more than all of what a part had; often of what is spent just before."""
        if n % 2:
            self.decide(self.tried(n, "held")[:2], "capture", "all", our_fault=False)
        self.world.pass_time(days=days, seconds=1)
        order, attempt, name = self.tried(n, "captured")
        there = self.model.holds.get((order, attempt))
        had = there.parts[name].points if there and name in there.parts else 3
        points = max(1, had * thirds // 3)
        give = partial(self.model.give_back, order, attempt, name, points, our_fault, self.world.now)
        expected = outcome_of(give)
        asked = self.world.give_back(order, name, points, attempt=attempt, our_fault=our_fault)
        given = self.same("give back", asked, expected)
        if not isinstance(expected, Refusal):
            assert (given.returned, given.reissued, given.lost) == expected

    # Requests that come again, and requests that come at once.

    @rule(n=st.integers(0, 10_000))
    def a_request_comes_again(self, n: int) -> None:
        verb, caller, asked, answer = self.world.asked[n % len(self.world.asked)]
        again = self.bench.run(verb(caller, asked))
        self.bench.done["ask again"] += 1
        assert again == answer, f"{asked} was answered {answer}, and then {again}"

    @rule(n=N, what=st.sampled_from(["hold", "decide", "grant"]), points=st.integers(1, 40))
    def several_come_at_once(self, n: int, what: str, points: int) -> None:
        self.world.pass_time(seconds=1)
        self.bench.done[f"{what} at once"] += 1
        order = self.orders[n % len(self.orders)]
        if what == "hold":
            self.hold_at_once(self.owner[order], points)
        elif what == "decide":
            self.decide_at_once(*self.tried(n, "held")[:2])
        else:
            self.at_once([partial(self.world.post_grant, order), partial(self.world.cancelled, order)])
            if self.bench.run(self.world.grants.review(order)).state == "granted":
                self.model.post_grant(order, self.world.now)
            self.model.cancel(order, self.world.now)

    def hold_at_once(self, member: str, points: int) -> None:
        orders = [an_order() for _ in range(RACERS)]
        found = self.at_once([partial(self.world.hold, member, one, a=points) for one in orders])
        for one in self.bench.run(self.world.held_in_turn(orders)):
            self.model.hold(member, one, 1, {"a": points}, self.world.now)
        self.tries += [(one, 1) for one in orders]
        refused = [outcome for outcome in found if isinstance(outcome, RuumError)]
        assert len(refused) == sum((one, 1) not in self.model.holds for one in orders)
        assert {refusal.code for refusal in refused} <= {"points-short"}
        if refused:
            one_more = partial(self.model.hold, member, an_order(), 1, {"a": points}, self.world.now)
            assert outcome_of(one_more) is not None, "a hold was refused for which there were points"

    def decide_at_once(self, order: str, attempt: int) -> None:
        if (order, attempt) not in self.model.holds:
            return
        calls = [self.world.capture, self.world.release] * (RACERS // 2)
        found = self.at_once([partial(call, order, attempt=attempt) for call in calls])
        won = [call for call, outcome in zip(calls, found, strict=True) if not isinstance(outcome, RuumError)]
        assert len(won) <= 1
        if won == [self.world.capture]:
            self.model.capture(order, attempt, ())
        elif won:
            self.model.release(order, attempt, (), False, self.world.now)
        else:
            expected = outcome_of(partial(self.model.capture, order, attempt, ()))
            assert expected is not None, "neither captured nor released what was held"

    def at_once(self, calls: list[Callable[[], Coroutine[Any, Any, Any]]]) -> list[Any]:
        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*(_outcome(call()) for call in calls))

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
