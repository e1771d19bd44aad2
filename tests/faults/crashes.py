"""A process is killed after an external effect and before it is reported: the effect stands once (QA-05)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import httpx

from deploy.demo.console import until
from deploy.demo.resident import ProblemError
from tests.journeys.town import Household, Town

WITHHELD_SECONDS = 4.0


@dataclass(frozen=True)
class Effect:
    """Something that a partner does for us.

    Attributes:
        partner: whose answer is withheld.
        done: how often the partner has done it for an order.
        before: the state of the order's page after which it is done; empty while the order is placed.
    """

    partner: str
    done: Callable[[Town, str], Awaitable[int]]
    before: str = ""


async def _authorised(town: Town, order_id: str) -> int:
    return len(await town.console.payment_intents(order_id))


async def _captured(town: Town, order_id: str) -> int:
    found = await town.console.payment_intents(order_id)
    return sum(1 for intent in found if intent["status"] == "succeeded")


async def _checked(town: Town, order_id: str) -> int:
    return len(await town.console.checks(order_id))


async def _made(town: Town, order_id: str) -> int:
    order = await town.console.order(order_id)
    return int(order["making"]) if order else 0


async def _released(town: Town, order_id: str) -> int:
    order = await town.console.order(order_id)
    return int(bool(order and order["released"]))


EFFECTS: dict[str, Effect] = {
    "the card is authorised": Effect("card", _authorised),
    "the number is looked up": Effect("maker", _checked, "placing"),
    "the keys are ordered": Effect("maker", _made, "checking"),
    "the card is charged": Effect("card", _captured, "making"),
    "the dispatch is released": Effect("maker", _released, "ready"),
}
OWNER = {"card": "store", "maker": "sparekey"}
VICTIMS = ("worker", "owner", "gateway")


async def survive(town: Town, effect: Effect, victim: str) -> str:
    """Lives one order through; the victim dies while the partner's answer is withheld. Returns the order's id.

    Raises:
        AssertionError: the effect does not stand exactly once, or the order did not go on.
    """
    console = town.console
    home = await town.household(points=300)
    for name in ("maker.check", "maker.ready"):
        await console.automation(name, on=name != _held_by(effect), delay_ms=100)
    order_id = await town.drafted(home, await town.card(), points_choice="some", points_some=100)
    if not effect.before:
        await console.withhold(effect.partner, WITHHELD_SECONDS)
    placing = asyncio.ensure_future(_place(home, order_id))
    if effect.before:
        await _reach(town, home, order_id, effect)
    await _kill_when_done(town, effect, order_id, victim)
    told = await placing
    try:
        await until(lambda: _is(home, order_id, "dispatched"), "the order to be dispatched")
    except TimeoutError as failure:
        raise AssertionError(f"told {told!r}, then: {failure}") from None
    times = await effect.done(town, order_id)
    assert times == 1, f"done {times} times"
    assert await _captured(town, order_id) == 1
    return order_id


def _held_by(effect: Effect) -> str:
    """What the maker does not do by itself until the order has come to where the effect is next."""
    return {"checking": "maker.check", "making": "maker.ready", "ready": "maker.ready"}.get(effect.before, "")


async def _place(home: Household, order_id: str) -> str:
    """What the customer was told; whatever it was, the order's page says how it went on."""
    try:
        answer = await home.resident.place(order_id)
    except (ProblemError, httpx.HTTPError) as failure:
        return f"{type(failure).__name__} {failure}"
    return f"{answer['outcome']} {answer['decline_code']}"


async def _reach(town: Town, home: Household, order_id: str, effect: Effect) -> None:
    """Up to where the effect comes next; then its answer will be withheld."""
    if effect.before == "placing":
        await town.console.withhold(effect.partner, WITHHELD_SECONDS)
        return
    waits = "checking" if effect.before == "checking" else "making"
    await until(lambda: _is(home, order_id, waits), f"the order to be {waits}")
    await town.console.withhold(effect.partner, WITHHELD_SECONDS)
    await town.console.automation(_held_by(effect), on=True, delay_ms=100)


async def _is(home: Household, order_id: str, state: str) -> bool | None:
    with suppress(ProblemError, httpx.HTTPError):
        return (await home.resident.key_order(order_id))["state"] == state or None
    return None


async def _kill_when_done(town: Town, effect: Effect, order_id: str, victim: str) -> None:
    async def done() -> bool | None:
        return True if await effect.done(town, order_id) else None

    await until(done, f"{effect.partner} to act")
    town.kill(OWNER[effect.partner] if victim == "owner" else victim)
    await town.console.well(effect.partner)
