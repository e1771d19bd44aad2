"""SMS over the provider's HTTP API."""

from __future__ import annotations

from http import HTTPStatus

import httpx

from services.notifier.ports import NotNow, Refused

_KNOWN = "idempotency_key_reused"


class SmsApi:
    """Hands SMS to the provider, which takes each reference once.

    Args:
        http: with the provider's address, our secret and a time limit.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def send(self, to: str, text: str, reference: str) -> None:
        message = {"to": to, "text": text, "reference": reference}
        try:
            answer = await self._http.post("/messages", json=message)
        except httpx.HTTPError:
            raise NotNow("sms-silent") from None
        if answer.is_success:
            return
        if answer.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise NotNow(f"sms-{answer.status_code}")
        # The provider knows the reference with other words: an earlier try went out, and that counts.
        if answer.json()["error"]["code"] != _KNOWN:
            raise Refused(f"sms-{answer.status_code}")
