"""A resident on the JSON API, step by step as the pages will take them (SK-01…SK-27)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from deploy.demo.console import Console, until

NOTICES_READ = {"notices_agreed": True, "notices_language": "ja"}


class ProblemError(Exception):
    """The API answered a problem."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(
            f"{problem.get('status')} {problem.get('code')}: {problem.get('title')} {problem.get('errors', '')}"
        )
        self.problem = problem


@dataclass(frozen=True)
class Means:
    """How an order is paid: `card` with a token of the processor's form, `deferred` or `epos`."""

    means: str
    card_id: str = ""


class Resident:
    """One person with one session.

    Args:
        url: of the gateway.
        console: where their mails arrive.
    """

    def __init__(self, url: str, console: Console, language: str = "ja") -> None:
        self._http = httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=40, headers={"Accept-Language": language})
        self._console = console
        self._language = language
        self.member_id = ""
        self.session = ""

    async def close(self) -> None:
        await self._http.aclose()

    async def sign_up(self, address: str, password: str, key: str = "") -> None:
        """An account with an address that is proved by the code sent to it (ID-01); once under a key (PR-10)."""
        key = key or str(uuid4())
        sent = await self.call("POST", "sign-up/codes", f"{key}/codes", address=address, language=self._language)
        code = await self._console.code(address, sent["sequence"])
        consents = [{"document": name, "version": "2026-01"} for name in ("terms", "points-terms", "privacy")]
        signed_in = await self.call(
            "POST",
            "sign-up",
            f"{key}/sign-up",
            flow_id=sent["flow_id"],
            code=code,
            password=password,
            language=self._language,
            consents=consents,
        )
        self.enter(signed_in)

    async def sign_in(self, address: str, password: str) -> None:
        """On a new device, which the code sent to the address lets in (ID-10)."""
        before = len(await self._console.messages(address))
        outcome = await self.post("sessions", address=address, password=password, language=self._language)
        if sent := outcome.get("code_required"):
            code = await self._console.code(address, sent["sequence"], after=before)
            self.enter(await self.post("sessions/confirm", flow_id=sent["flow_id"], code=code))
        else:
            self.enter(outcome["signed_in"])

    async def come_in(self, address: str, password: str) -> None:
        """Signs up; whoever has done so before is signed in still, or again if that was long ago."""
        try:
            await self.sign_up(address, password, key=f"come-in/{address}")
            await self.get("profile")
        except ProblemError:  # the session is over, or they signed up in another way
            await self.sign_in(address, password)

    def enter(self, signed_in: dict[str, Any]) -> None:
        """What is asked from now on is asked in this session."""
        self.member_id = signed_in["member_id"]
        self.session = str(signed_in["session_token"])
        self._http.headers["Authorization"] = f"Bearer {self.session}"

    async def complete_profile(self, name: str, kana: str, address: dict[str, str]) -> None:
        profile = await self.get("profile")
        await self.call("PATCH", "profile", version=profile["version"], name=name, kana=kana, address=address)

    async def register_room(self, code1: str, code2: str) -> str:
        """The room of the lease whose codes these are (RM-02)."""
        preview = await self.post("rooms/preview", code1=code1, code2=code2)
        room = await self.post("rooms", code1=code1, code2=code2, preview_id=preview["preview_id"])
        return str(room["room_id"])

    async def draft_key(self, room_id: str, kind: str, quantity: int, key_number: str, key: str = "") -> str:
        """A key in the cart: notices read to their end, number entered; once under a key (PR-10)."""
        key, options = key or str(uuid4()), await self.get("spare-keys/options")
        draft = await self.call(
            "POST",
            "spare-keys/drafts",
            f"{key}/draft",
            room_id=room_id,
            kind=kind,
            quantity=quantity,
            notices_version=options["notices_version"],
            **NOTICES_READ,
        )
        order_id = str(draft["order_id"])
        await self.call("POST", f"spare-keys/drafts/{order_id}/key-number", f"{key}/number", key_number=key_number)
        return order_id

    async def choose(self, order_id: str, means: Means, **settings: Any) -> dict[str, Any]:
        """Points, coupon, means, recipient and wish of the checkout."""
        checkout = await self.get(f"checkouts/{order_id}")
        chosen = {"means": means.means} | ({"card_id": means.card_id} if means.card_id else {}) | settings
        return await self.call("PATCH", f"checkouts/{order_id}", version=checkout["version"], **chosen)

    async def place(self, order_id: str) -> dict[str, Any]:
        """Confirms what the page shows."""
        review = await self.post(f"spare-keys/drafts/{order_id}/review", language=self._language)
        return await self.post(
            f"spare-keys/drafts/{order_id}/place",
            snapshot_hash=review["snapshot_hash"],
            terms_version=review["terms_version"],
            cancellation_version=review["cancellation_version"],
            agreed=True,
        )

    async def key_order(self, order_id: str) -> dict[str, Any]:
        return await self.get(f"spare-keys/orders/{order_id}")

    async def sees(self, order_id: str, *states: str) -> dict[str, Any]:
        """The order, once its page shows one of the states."""
        last = ""

        async def look() -> dict[str, Any] | None:
            nonlocal last
            order = await self.key_order(order_id)
            last = order["state"]
            return order if last in states else None

        try:
            return await until(look, f"the order to be {' or '.join(states)}")
        except TimeoutError as late:
            raise TimeoutError(f"{late}, which is {last}") from None

    async def get(self, path: str) -> dict[str, Any]:
        return await self.call("GET", path)

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        return await self.call("POST", path, **body)

    async def call(self, verb: str, path: str, key: str = "", **body: Any) -> dict[str, Any]:
        """One request under this Idempotency-Key, or one of its own.

        Raises:
            ProblemError: it was refused.
        """
        headers = {} if verb == "GET" else {"Idempotency-Key": key or str(uuid4())}
        answer = await self._http.request(verb, path, json=body if verb != "GET" else None, headers=headers)
        if answer.is_error:
            raise ProblemError(answer.json())
        given: dict[str, Any] = answer.json()
        return given
