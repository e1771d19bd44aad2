"""The partners' console, pressed by a program."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
PATIENCE = 60.0


async def until(found: Callable[[], Awaitable[T | None]], what: str, within: float = PATIENCE) -> T:
    """Asks until there is something.

    Raises:
        TimeoutError: nothing came; says what was waited for.
    """
    try:
        async with asyncio.timeout(within):
            while (answer := await found()) is None:  # noqa: ASYNC110  # it happens in another process
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise TimeoutError(f"waited {within:.0f} s for {what}") from None
    return answer


class Console:
    """Buttons and lists of the stand-ins.

    Args:
        url: of the console.
    """

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{url}/console/api", timeout=10)
        self._pages = httpx.AsyncClient(base_url=url, timeout=10)

    async def close(self) -> None:
        await self._http.aclose()
        await self._pages.aclose()

    async def messages(self, to: str) -> list[dict[str, Any]]:
        """What reached an address, oldest first."""
        found = (await self._get("inbox", to=to, limit="200"))["messages"]
        return list(reversed(found))

    async def code(self, to: str, sequence: int, after: int = 0) -> str:
        """The code of a message, as the person reads it; of those that came after so many others."""

        async def read() -> str | None:
            for message in (await self.messages(to))[after:]:
                six = re.search(r"\b(\d{6})\b", message["text"])
                if six and re.search(rf"\b{sequence}\b", message["text"].replace(six[1], "")):
                    return six[1]
            return None

        return await until(read, f"code {sequence} to arrive")

    async def order(self, order_id: str) -> dict[str, Any] | None:
        """The order of keys at the maker."""
        found = await self._get("orders", q=order_id)
        orders = found.get("orders", [])
        return orders[0] if orders else None

    async def parcel(self, tracking_number: str, kind: str) -> None:
        """Presses a carrier's button."""
        await self._post(f"parcels/{tracking_number}/events", {"kind": kind})

    async def tracking_number(self, order_id: str, nth: int) -> str:
        """The tracking number of the nth parcel of an order, once it has left."""

        async def left() -> str | None:
            order = await self.order(order_id)
            tracking = order["tracking"] if order else []
            return tracking[nth - 1]["tracking_number"] if len(tracking) >= nth else None

        return await until(left, f"parcel {nth} to be dispatched")

    async def card_token(self, number: str) -> str:
        """What the processor's form gives for a card number: the number never reaches ruum (ST-22)."""
        form = {
            "number": number,
            "exp": "12/40",
            "cvc": "123",
            "name": "HANAKO MIHON",
            "return": "http://ruum.example/",
        }
        answer = await self._pages.post("/card/form", data=form)
        return httpx.URL(answer.headers["location"]).params["payment_method"]

    async def automation(self, name: str, *, on: bool, delay_ms: int = 200) -> None:
        """Whether a partner does something by itself."""
        answer = await self._http.put(f"automation/{name}", json={"on": on, "delay_ms": delay_ms})
        answer.raise_for_status()

    async def withhold(self, partner: str, seconds: float, times: int = 1) -> None:
        """The partner does what it is asked next, and its answer does not come for so long."""
        answer = await self._http.put(f"faults/{partner}", json={"withhold_s": seconds, "times": times})
        answer.raise_for_status()

    async def well(self, partner: str) -> None:
        answer = await self._http.put(f"faults/{partner}", json={})
        answer.raise_for_status()

    async def checks(self, order_id: str) -> list[dict[str, Any]]:
        """The look-ups of numbers that the maker was asked for."""
        found: list[dict[str, Any]] = (await self._get("checks", q=order_id))["checks"]
        return found

    async def payment_intents(self, order_id: str) -> list[dict[str, Any]]:
        """What the card processor holds for an order."""
        listed = await self._get("payment-intents", limit="200")
        return [one for one in listed["payment_intents"] if order_id in str(one.get("metadata"))]

    async def ready(self, order_id: str) -> None:
        """The maker has cut the keys."""
        await self._post(f"orders/{order_id}/ready", {})

    async def pay_invoice(self, order_id: str) -> None:
        listed = await self._get("transactions", limit="200")
        paid = next(one for one in listed["transactions"] if order_id in one["merchant_ref"])
        await self._post(f"transactions/{paid['id']}/paid", {})

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        answer = await self._http.get(path, params=query)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = await self._http.post(path, json=body)
        answer.raise_for_status()
