"""What a request may say: Stripe's bracketed forms, decoded and checked."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from deploy.sandbox.card.errors import StripeError

_CODES = {
    "missing": "parameter_missing",
    "extra_forbidden": "parameter_unknown",
    "int_parsing": "parameter_invalid_integer",
}
MIN_YEN = 50


def _items(value: Any) -> Any:
    """A list comes as `name[]` or as `name[0]`, `name[1]`, which decode as a map."""
    return list(value.values()) if isinstance(value, dict) else value


Many = Annotated[list[str], BeforeValidator(_items)]


class Params(BaseModel):
    model_config = ConfigDict(extra="forbid")

    expand: Many = []


P = TypeVar("P", bound=Params)


class ListOf(Params):
    customer: str | None = None
    payment_intent: str | None = None
    type: Literal["card"] | None = None
    limit: int = Field(default=10, ge=1, le=100)
    starting_after: str | None = None


class Search(Params):
    query: str
    limit: int = Field(default=10, ge=1, le=100)
    page: int = Field(default=0, ge=0)


class NewCustomer(Params):
    email: str | None = None
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}


class Attach(Params):
    customer: str


class Confirm(Params):
    payment_method: str | None = None
    return_url: str | None = None
    off_session: bool = False


class NewIntent(Confirm):
    amount: int = Field(ge=1)
    currency: Literal["jpy"]
    capture_method: Literal["automatic", "automatic_async", "manual"] = "automatic"
    confirm: bool = False
    payment_method_types: Many = ["card"]
    customer: str | None = None
    metadata: dict[str, str] = {}
    setup_future_usage: Literal["on_session", "off_session"] | None = None
    description: str | None = None


class Capture(Params):
    amount_to_capture: int | None = Field(default=None, ge=1)


class Cancel(Params):
    cancellation_reason: Literal["duplicate", "fraudulent", "requested_by_customer", "abandoned"] | None = None


class NewRefund(Params):
    payment_intent: str
    amount: int | None = Field(default=None, ge=1)
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: dict[str, str] = {}


async def read(request: Request, cls: type[P]) -> P:
    """The parameters of a request.

    Raises:
        StripeError: 400 that names the first parameter that is missing, unknown or wrong.
    """
    raw = request.url.query if request.method in {"GET", "DELETE"} else (await request.body()).decode()
    try:
        return cls.model_validate(decode(raw))
    except ValidationError as wrong:
        fault = wrong.errors(include_input=False)[0]
    steps = [str(step) for step in fault["loc"]]
    param = steps[0] + "".join(f"[{step}]" for step in steps[1:])
    code = _CODES.get(fault["type"], "parameter_invalid")
    raise StripeError(400, f"{param}: {fault['msg']}", code=code, param=param)


def decode(encoded: str) -> dict[str, Any]:
    """`a[b]=1&c[]=2` as `{"a": {"b": "1"}, "c": {"0": "2"}}`."""
    decoded: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        first, *rest = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name) or [name]
        at, step = decoded, first
        for deeper in rest:
            inner = at.setdefault(step, {})
            at, step = (inner, deeper or str(len(inner))) if isinstance(inner, dict) else ({}, deeper)
        at[step] = value
    return decoded
