"""What is read before a key is chosen, and the notices that are agreed to: codes of texts (SK-03, SK-08, SK-09, SK-16).

The texts are agreed to as they stand: whoever changes one raises `Rules.notices_text`. Their figures are settings.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.sparekey.cases.models import Kind
from services.sparekey.settings import Rules

GUIDE = ("key-guide-blue-key", "key-guide-number-at-hand", "key-guide-copies", "key-guide-managed-buildings")
"""How a genuine key is known, and for whom it is made (SK-09)."""

GUIDE_OF: Mapping[Kind, tuple[str, ...]] = {
    Kind.NORMAL: ("key-guide-normal-opens",),
    Kind.IC: ("key-guide-ic-opens", "key-guide-ic-check"),
}
"""What a kind opens (SK-03), and what its buyer checks first (SK-16)."""

NOTICES = (
    "key-notice-address",
    "key-notice-key-number",
    "key-notice-registered-mail",
    "key-notice-no-cancellation",
    "key-notice-redelivery-charge",
    "key-notice-binding-language",
)
"""In the order in which they are read (SK-08, SK-31)."""

NOTICES_OF: Mapping[Kind, tuple[str, ...]] = {
    Kind.NORMAL: (),
    Kind.IC: ("key-notice-ic-building", "key-notice-ic-e-touch"),
}


def figures(rules: Rules) -> dict[str, str]:
    """What guide and notices speak of, by the names of their parameters."""
    return {"charge": str(rules.redelivery_charge), "months": str(rules.storage_months)}
