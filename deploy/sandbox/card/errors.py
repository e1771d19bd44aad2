"""Stripe's errors, as its clients know them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

MESSAGES = {
    "card_declined": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_number": "Your card number is incorrect.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "payment_intent_authentication_failure": "We are unable to authenticate your payment method.",
}
_TYPES = {401: "invalid_request_error", 402: "card_error", 409: "idempotency_error"}


class StripeError(Exception):
    """An answer that is no, with everything Stripe says about it."""

    def __init__(self, status: int, message: str, **said: Any) -> None:
        super().__init__(message)
        self.status = status
        kind = _TYPES.get(status, "invalid_request_error")
        self.body = {"error": {"type": kind, "message": message, **said}}


def missing(what: str, key: str, param: str) -> StripeError:
    return StripeError(404, f"No such {what}: '{key}'", code="resource_missing", param=param)


def unexpected_state(message: str) -> StripeError:
    return StripeError(400, message, code="payment_intent_unexpected_state")


def gate_error(code: str, message: str) -> dict[str, Any]:
    """What the door says in Stripe's words."""
    if code == "idempotency_error":
        message = "Keys for idempotent requests can only be used with the parameters they were first used with."
        return {"error": {"type": code, "message": message}}
    kinds = {"unauthorized": "invalid_request_error", "idempotency_key_in_use": "idempotency_error"}
    return {"error": {"type": kinds.get(code, "api_error"), "code": code, "message": message}}


def keeps(answer: Response) -> bool:
    """Stripe stores every outcome of a request that began to run; one with wrong parameters never began."""
    return answer.status_code < 500 and b'"code":"parameter_' not in bytes(answer.body)  # noqa: PLR2004


async def _answer(_: Request, no: Exception) -> Response:
    if not isinstance(no, StripeError):
        raise no
    return JSONResponse(no.body, no.status)


def speaks_stripe(app: FastAPI) -> FastAPI:
    app.add_exception_handler(StripeError, _answer)
    return app
