"""A process is killed after an external effect and before it is reported: the effect stands once (QA-05)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import httpx

from deploy.demo.console import until
from deploy.demo.resident import Means, ProblemError
from deploy.local.probes import grpc_serves, http_serves
from services import CONTEXTS
from tests.journeys.town import Household, Town

VICTIMS = ("worker", *CONTEXTS, "gateway")

_WITHHELD_SECONDS = 4.0
_PATIENCE = 120.0
_UNKNOWN = "A0000B12"


class Life:
    """One order and everybody around it, from the draft on; what the killed ones answer meanwhile is passed over."""

    def __init__(self, town: Town, home: Household, order_id: str, partner: str) -> None:
        self.town = town
        self.home = home
        self.order_id = order_id
        self.told: list[str] = []
        self._partner = partner
        self._asked: list[asyncio.Future[None]] = []

    async def withhold(self) -> None:
        """The partner does what it is asked next, and does not say so for a while."""
        await self.town.console.withhold(self._partner, _WITHHELD_SECONDS)

    def places(self) -> None:
        self._asks(self.home.resident.place(self.order_id))

    def asks_redelivery(self) -> None:
        path = f"spare-keys/orders/{self.order_id}/redelivery"
        self._asks(self.home.resident.post(path, charge_accepted=True))

    def _asks(self, request: Awaitable[dict[str, object]]) -> None:
        async def noted() -> None:
            try:
                answer = await request
            except (ProblemError, httpx.HTTPError) as failure:
                self.told.append(f"{type(failure).__name__} {failure}")
            else:
                self.told.append(str(answer.get("outcome", "done")))

        self._asked.append(asyncio.ensure_future(noted()))

    async def answered(self) -> None:
        await asyncio.gather(*self._asked)

    async def sees(self, *states: str) -> None:
        """Raises `TimeoutError` when the order's page never shows one of them."""

        async def look() -> bool | None:
            with suppress(ProblemError, httpx.HTTPError):
                return (await self.home.resident.key_order(self.order_id))["state"] in states or None
            return None

        await until(look, f"{' or '.join(states)}; told {self.told}", within=_PATIENCE)

    async def parcel(self, kind: str) -> None:
        await self.town.console.parcel(await self.town.console.tracking_number(self.order_id, 1), kind)


async def _placing(life: Life) -> None:
    await life.withhold()
    life.places()


async def _number_is_known(life: Life) -> None:
    await life.town.console.automation("maker.check", on=False)
    life.places()

    async def asked() -> bool | None:
        return True if await life.town.console.checks(life.order_id) else None

    await until(asked, "the maker to be asked for the number")
    await life.sees("checking")
    await life.withhold()
    await life.town.console.automation("maker.check", on=True)


async def _keys_are_cut(life: Life) -> None:
    await life.town.console.automation("maker.ready", on=False)
    life.places()
    await life.sees("making")
    await life.town.maker_has(life.order_id)
    await life.withhold()
    await life.town.console.automation("maker.ready", on=True)


async def _week_is_over(life: Life) -> None:
    life.places()
    await life.sees("number-asked")
    await life.withhold()
    await life.town.forward(days=8)


async def _redelivery(life: Life) -> None:
    life.places()
    await life.sees("dispatched")
    await life.parcel("returned")
    await life.sees("returned")
    await life.withhold()
    life.asks_redelivery()


async def _handing_over(life: Life) -> None:
    life.places()
    await life.sees("dispatched")
    await life.withhold()
    await life.parcel("handed_over")


async def _payer_approves(life: Life) -> None:
    payment = (await life.town.console.at_epos(life.order_id))[0]
    await life.town.console.signs_in(payment["redirect_url"], "approved")


async def _nothing(_life: Life) -> None:
    """Nobody has to do anything."""


async def _authorised(town: Town, order_id: str) -> int:
    return len(await town.console.payment_intents(order_id))


async def _charged(town: Town, order_id: str) -> int:
    return Counter(it["status"] for it in await town.console.payment_intents(order_id))["succeeded"]


async def _voided(town: Town, order_id: str) -> int:
    return Counter(it["status"] for it in await town.console.payment_intents(order_id))["canceled"]


async def _checked(town: Town, order_id: str) -> int:
    return len(await town.console.checks(order_id))


async def _made(town: Town, order_id: str) -> int:
    order = await town.console.order(order_id)
    return int(order["making"]) if order else 0


async def _released(town: Town, order_id: str) -> int:
    order = await town.console.order(order_id)
    return len(order["tracking"]) or int(order["released"]) if order else 0


async def _sent_again(town: Town, order_id: str) -> int:
    order = await town.console.order(order_id)
    return len(order["tracking"]) - 1 if order else 0


async def _credited(town: Town, order_id: str) -> int:
    return len(await town.console.at_deferred(order_id))


async def _invoiced(town: Town, order_id: str) -> int:
    return sum(1 for it in await town.console.at_deferred(order_id) if it["invoice"])


async def _opened_at_epos(town: Town, order_id: str) -> int:
    return len(await town.console.at_epos(order_id))


@dataclass(frozen=True)
class Effect:
    """Something that a partner does for us.

    Attributes:
        partner: whose answer is withheld.
        done: how often the partner has done it for an order.
        comes: brings an order to where it is done next.
        ends: where the order then goes by itself.
        goes_on: what people do after it.
    """

    partner: str
    done: Callable[[Town, str], Awaitable[int]]
    comes: Callable[[Life], Awaitable[None]] = _placing
    ends: str = "dispatched"
    means: str = "card"
    number: str = "AB12CD34"
    goes_on: Callable[[Life], Awaitable[None]] = _nothing


EFFECTS: dict[str, Effect] = {
    "the card is authorised": Effect("card", _authorised),
    "the credit is checked": Effect("deferred", _credited, means="deferred"),
    "EPOS opens its page": Effect("epos", _opened_at_epos, means="epos", goes_on=_payer_approves),
    "the number is looked up": Effect("maker", _checked),
    "the keys are ordered": Effect("maker", _made, _number_is_known),
    "the card is charged": Effect("card", _charged, _keys_are_cut),
    "the dispatch is released": Effect("maker", _released, _keys_are_cut),
    "the redelivery is dispatched": Effect("maker", _sent_again, _redelivery, "redelivering"),
    "the invoice is issued": Effect("deferred", _invoiced, _handing_over, "handed-over", means="deferred"),
    "the authorisation is voided": Effect("card", _voided, _week_is_over, "cancelled", number=_UNKNOWN),
}


async def survive(town: Town, effect: Effect, victim: str) -> str:
    """Lives one order through; the victim dies while the partner's answer is withheld. Returns the order's id.

    Raises:
        AssertionError: the effect does not stand exactly once, or a letter came twice.
        TimeoutError: the order did not go on.
    """
    console = town.console
    for name in ("maker.check", "maker.ready"):
        await console.automation(name, on=True, delay_ms=100)
    home = await town.household(points=300)
    means = await town.card() if effect.means == "card" else Means(effect.means)
    order_id = await town.drafted(home, means, effect.number, points_choice="some", points_some=100)
    life = Life(town, home, order_id, effect.partner)
    await effect.comes(life)
    await _kill_when_done(life, effect, victim)
    await life.answered()
    await effect.goes_on(life)
    await life.sees(effect.ends)
    times = await effect.done(town, order_id)
    assert times == 1, f"done {times} times"
    await _one_letter_of_each(life)
    await _back(life, victim)
    return order_id


async def _back(life: Life, victim: str) -> None:
    """The next order finds everybody at work, and a gateway that knows it."""
    address = life.town.stack.table.environment.address(victim)
    pages = "profile", "points", "rooms", f"orders/{life.order_id}", f"spare-keys/orders/{life.order_id}"

    async def serves() -> bool | None:
        up = http_serves(address, "/readyz") if victim == "gateway" else grpc_serves(address)
        if not await up:
            return None
        with suppress(ProblemError, httpx.HTTPError):
            for page in pages:
                await life.home.resident.get(page)
            return True
        return None

    await until(serves, f"{victim} to be back")


async def _kill_when_done(life: Life, effect: Effect, victim: str) -> None:
    async def done() -> bool | None:
        return True if await effect.done(life.town, life.order_id) else None

    await until(done, f"{effect.partner} to act")
    life.town.kill(victim)
    await life.town.console.well(effect.partner)


async def _one_letter_of_each(life: Life) -> None:
    """The same letter may come again under its own Message-ID; another of its kind must not."""
    letters = {it["message_id"]: it["subject"] for it in await life.town.console.messages(life.home.mail)}
    twice = [subject for subject, times in Counter(letters.values()).items() if times > 1]
    assert not twice, f"mailed twice: {twice}"
