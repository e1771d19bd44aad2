"""A payment moves by the partner's word and never backwards (ST-21)."""

from __future__ import annotations

import itertools

import pytest

from services.store.payments.models import Payment, PaymentState, Standing
from tests.store.world import NOW

FORWARD: list[PaymentState] = ["asked", "requires-action", "on-hold", "authorised", "captured"]


def payment(state: PaymentState, **more: object) -> Payment:
    taken = 3_300 if state in {"captured", "refunded"} else 0
    stated: dict[str, object] = {"payment_id": "pay", "order_id": "ord", "member_id": "mem", "ordinal": 1}
    stated |= {"merchant_ref": "ord-1", "means": "card", "amount": 3_300, "authorised": 3_300, "captured": taken}
    return Payment.make(**stated | {"state": state, "partner_ref": "ref", "asked_at": NOW} | more)


@pytest.mark.rule("QA-06")
@pytest.mark.parametrize(("earlier", "later"), list(itertools.combinations(FORWARD[1:], 2)))
def test_a_word_that_is_older_than_what_we_know_is_no_news(earlier: PaymentState, later: PaymentState) -> None:
    stale = Standing(ref="ref", state=earlier, authorised=3_300 if earlier == "authorised" else 0)

    assert payment(later).after(stale, NOW) == {}


@pytest.mark.parametrize("ended", ["voided", "declined", "refunded"])
def test_what_is_over_at_the_partner_stays_over(ended: PaymentState) -> None:
    late = Standing(ref="ref", state="authorised", authorised=3_300)

    assert payment(ended, refunded=3_300 if ended == "refunded" else 0).after(late, NOW) == {}


def test_what_never_showed_and_shows_after_all_is_there_again() -> None:
    given_up = payment("voided", partner_ref="", unwanted_at=NOW)

    changes = given_up.after(Standing(ref="ref", state="authorised", authorised=3_300), NOW)

    assert (changes["state"], changes["partner_ref"]) == ("authorised", "ref")
