"""What the order page shows is what the API accepts, and nothing else, whoever asks (SK-40, PR-15)."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.demo.resident import Means, ProblemError
from tests.journeys.town import Household, Town

pytestmark = pytest.mark.timeout(240)

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "reply-key-number": ("spare-keys/orders/{}/key-number", {"key_number": "AB12CD34"}),
    "request-redelivery": ("spare-keys/orders/{}/redelivery", {"charge_accepted": True}),
    "report-not-mine": ("spare-keys/orders/{}/not-mine", {"household_asked": True}),
    "report-mail-redirect": ("spare-keys/orders/{}/mail-redirect", {}),
    "choose-wish-date": ("spare-keys/orders/{}/wish-date", {"wish_date": ""}),
    "change-means": ("orders/{}/means", {"means": "deferred"}),
}


async def asked(home: Household, order_id: str, action: str) -> int:
    """The status of the answer."""
    path, body = REQUESTS[action]
    try:
        await home.resident.post(path.format(order_id), **body)
    except ProblemError as no:
        assert no.problem["title"], no.problem  # noqa: PT017  # every refusal says what to do
        return int(no.problem["status"])
    return 200


class Watched:
    """An order, its owner, and a neighbour who knows its id."""

    def __init__(self, home: Household, stranger: Household, order_id: str) -> None:
        self.home, self.stranger, self.order_id = home, stranger, order_id
        self.wrong: list[tuple[str, str, str, int]] = []

    async def at(self, state: str) -> set[str]:
        """Waits for a state; everything that it does not show is refused to the owner, and all to the stranger."""
        order = await self.home.resident.sees(self.order_id, state)
        shown = set(order["actions"])
        tries = [("owner", self.home, action, 409) for action in REQUESTS if action not in shown]
        tries += [("stranger", self.stranger, action, 404) for action in REQUESTS]
        for who, home, action, expected in tries:
            status = await asked(home, self.order_id, action)
            if status != expected:
                self.wrong.append((state, who, action, status))
        return shown


@pytest.mark.rule("SK-40")
async def test_at_every_state_of_a_journey_what_is_not_shown_is_refused_and_what_is_shown_is_accepted(
    town: Town,
) -> None:
    home, stranger = await town.household(), await town.household()
    order_id = await town.drafted(home, Means("epos"), "A0000B12")
    order = Watched(home, stranger, order_id)
    reports = {"report-not-mine", "report-mail-redirect"}
    shown: dict[str, set[str]] = {}

    sent_away = await home.resident.place(order_id)
    shown["placing"] = await order.at("placing")
    await town.console.signs_in(sent_away["redirect_url"], "approved")
    shown["number-asked"] = await order.at("number-asked")
    async with town.console.by_hand("maker.ready", "maker.dispatch"):
        accepted = [await asked(home, order_id, "reply-key-number")]
        shown["making"] = await order.at("making")
        await town.maker_has(order_id)
        await town.console.ready(order_id)
        shown["released"] = await order.at("released")
    shown["dispatched"] = await order.at("dispatched")
    await town.console.parcel(await town.console.tracking_number(order_id, 1), "absent")
    shown["absent"] = await order.at("absent")
    await town.console.parcel(await town.console.tracking_number(order_id, 1), "returned")
    shown["returned"] = await order.at("returned")
    accepted.append(await asked(home, order_id, "request-redelivery"))
    parcel = await town.console.tracking_number(order_id, 2)
    await town.shows(home, order_id, "tracking_number", parcel)
    shown["redelivering"] = await order.at("redelivering")
    accepted += [await asked(home, order_id, action) for action in sorted(reports)]
    shown["reported"] = await order.at("redelivering")
    await town.console.parcel(parcel, "handed_over")
    shown["handed-over"] = await order.at("handed-over")

    assert order.wrong == []
    assert accepted == [200] * 4
    assert shown == {
        "placing": {"pay-at-partner"},
        "number-asked": {"reply-key-number", *reports},
        "making": reports,
        "released": reports,
        "dispatched": reports,
        "absent": reports,
        "returned": {"request-redelivery", *reports},
        "redelivering": reports,
        "reported": set(),
        "handed-over": set(),
    }
    assert await town.books_agree() == ()
