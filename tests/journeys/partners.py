"""The partners' console, with the buttons that bring misfortune."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx

from deploy.demo.console import Console, until

Provider = Literal["card", "deferred", "epos"]
Partner = Literal[Provider, "maker", "post", "carrier"]


class Partners(Console):
    """Everything that partners may do to an order, and what they hold of it."""

    async def suffers(self, partner: Partner, **faults: float | bool) -> None:
        """The partner is `away`, hangs, answers with errors, late or not at all; without faults it is well."""
        await self._put(f"faults/{partner}", faults)

    async def kept(self, kind: str, name: str, order_id: str) -> list[dict[str, Any]]:
        """What a partner keeps of an order, the newest first: payments know it by our reference, `<order>-<n>`."""
        listed = (await self._get(kind, limit="1000"))[name]
        return [one for one in listed if order_id in str(one)]

    async def at_epos(self, order_id: str) -> list[dict[str, Any]]:
        return await self.kept("payments", "payments", order_id)

    async def at_deferred(self, order_id: str) -> list[dict[str, Any]]:
        return await self.kept("transactions", "transactions", order_id)

    async def parcels(self, order_id: str) -> list[dict[str, Any]]:
        return await self.kept("parcels", "parcels", order_id)

    async def held(self, order_id: str) -> list[dict[str, Any]]:
        """What all providers hold for an order."""
        return [*await self.payment_intents(order_id), *await self.at_deferred(order_id), *await self.at_epos(order_id)]

    @asynccontextmanager
    async def by_hand(self, *automations: str) -> AsyncIterator[None]:
        """A person does for a while what a partner else does by itself."""
        try:
            for name in automations:
                await self.automation(name, on=False)
            yield
        finally:
            for name in automations:
                await self.automation(name, on=True)

    async def signs_in(self, url: str, decision: str) -> httpx.URL:
        """The payer does something on EPOS's page. Returns where they are sent then."""
        form = {"user": "hanako", "password": "himitsu", "decision": decision}
        async with httpx.AsyncClient(timeout=10) as browser:
            answer = await browser.post(url, data=form)
        return httpx.URL(answer.headers.get("location", ""))

    async def next_card_is_declined(self, code: str | None) -> None:
        await self._put("next", {"card": {"decline_code": code}})

    async def knows_no(self, *numbers: str) -> None:
        """The maker does not know these numbers, and all others that look like numbers."""
        await self._put("unknown-numbers", {"numbers": list(numbers)})

    async def answers(self) -> bool:
        """Whether anybody is there."""
        try:
            return (await self._pages.get("/healthz")).is_success
        except httpx.HTTPError:
            return False

    async def answers_check(self, order_id: str, result: str, *, away_then: bool = False) -> None:
        """The maker answers the newest look-up by hand, and may be gone when it is asked for more."""

        async def asked() -> dict[str, Any] | None:
            return next((check for check in await self.checks(order_id) if check["state"] == "waiting"), None)

        check = await until(asked, "the maker to be asked")
        if away_then:
            await self.suffers("maker", away=True)
        await self._post(f"checks/{check['check_id']}/answer", {"result": result})

    async def dispatches(self, order_id: str) -> None:
        await self._post(f"orders/{order_id}/dispatch", {})

    async def destroys(self, order_id: str) -> None:
        await self._post(f"orders/{order_id}/destroyed", {})

    async def is_replied(self, order_id: str, key_number: str) -> None:
        """The customer answers the maker's mail."""
        await self._post(f"orders/{order_id}/number-replied", {"key_number": key_number})

    async def webhooks(self, partner: Partner, about: str = "") -> list[dict[str, Any]]:
        """What a partner sent of something, the newest first."""
        listed = await self._get("webhooks", partner=partner, limit="1000")
        return [one for one in listed["webhooks"] if about in str(one["body"])]

    async def sends(self, webhook: dict[str, Any], how: Literal["replay", "forge", "stale"], times: int = 1) -> None:
        """Sends a webhook once more: truly, with a false signature, or truly signed an hour ago."""
        await self._post(f"webhooks/{webhook['id']}/{how}", {"times": times} if how == "replay" else {})

    async def invents(self, partner: Partner, kind: str, data: dict[str, Any]) -> None:
        """Somebody who is not the partner sends what never happened."""
        await self._post("webhooks/forge", {"partner": partner, "type": kind, "data": data})

    async def holds_webhooks(self, *partners: Partner) -> None:
        for partner in partners:
            await self._put(f"webhook-rules/{partner}", {"hold": True})

    async def lets_go(self, partner: Partner, order: Literal["sent", "reversed"] = "sent") -> int:
        """What was held is sent, one after the other; says how many."""
        answer = await self._http.post("webhooks/release", json={"partner": partner, "order": order})
        answer.raise_for_status()
        return int(answer.json()["released"])

    async def all_sent(self, partner: Partner) -> None:
        """Waits until a partner has nothing left to send."""

        async def sent() -> bool | None:
            waiting = await self._get("webhooks", partner=partner, state="waiting", limit="1")
            return None if waiting["webhooks"] else True

        await until(sent, f"{partner} to have sent everything")

    async def _put(self, path: str, body: dict[str, Any]) -> None:
        answer = await self._http.put(path, json=body)
        answer.raise_for_status()
