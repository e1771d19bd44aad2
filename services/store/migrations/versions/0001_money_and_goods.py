"""Catalogue, coupons, orders, cards, payments and invoices; what every context keeps."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("order_numbers", schema="store")))
    _sold()
    _ordered()
    _paid()
    _chassis()


def _create(name: str, *parts: Any) -> None:
    op.create_table(name, *parts, schema="store")


def _index(name: str, table: str, columns: list[str], *, unique: bool = False, where: str | None = None) -> None:
    condition: dict[str, Any] = {"postgresql_where": sa.text(where)} if where else {}
    op.create_index(name, table, columns, unique=unique, schema="store", **condition)


def _key(name: str, kind: Any = sa.Text, of: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, kind, *([sa.ForeignKey(of)] if of else []), primary_key=True)


def _filled(name: str, kind: Any = sa.Text, of: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, kind, *([sa.ForeignKey(of)] if of else []), nullable=False)


def _maybe(name: str, kind: Any = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _filled_all(names: tuple[str, ...], kind: Any = sa.Text) -> list[sa.Column[Any]]:
    return [_filled(name, kind) for name in names]


def _maybe_all(names: tuple[str, ...], kind: Any = sa.Text) -> list[sa.Column[Any]]:
    return [_maybe(name, kind) for name in names]


def _one_of(constraint: str, column: str, *words: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} in ({', '.join(map(repr, words))})", name=constraint)


def _sold() -> None:
    _create(
        "products",
        _key("product_id"),
        *_filled_all(("sku", "category")),
        _filled("name", JSONB),
        _filled("description", JSONB),
        _filled("picture"),
        _filled("price", sa.BigInteger),
        _filled("tax_rate", sa.Integer),
        _filled("lead_business_days", sa.Integer),
        *_filled_all(("earns_points", "admits_points", "cancellable"), sa.Boolean),
        _filled("means", sa.ARRAY(sa.Text)),
        sa.CheckConstraint("lead_business_days between 1 and 60", name="products_lead"),
        sa.CheckConstraint(
            "means <@ array['card', 'deferred', 'epos'] and cardinality(means) > 0", name="products_means"
        ),
        sa.CheckConstraint("price > 0", name="products_price"),
        sa.UniqueConstraint("sku", name="products_sku"),
        sa.CheckConstraint("tax_rate in (8, 10)", name="products_tax_rate"),
    )
    _create(
        "coupons",
        _key("code"),
        _filled("name", JSONB),
        _filled("amount_off", sa.BigInteger),
        _filled("percent_off", sa.Integer),
        _filled("first_day", sa.Date),
        _filled("last_day", sa.Date),
        _filled("minimum", sa.BigInteger),
        _filled("skus", sa.ARRAY(sa.Text)),
        *_filled_all(("uses_per_member", "uses_total", "used"), sa.Integer),
        sa.CheckConstraint("minimum >= 0", name="coupons_minimum"),
        sa.CheckConstraint("(amount_off > 0) <> (percent_off > 0)", name="coupons_one_kind"),
        sa.CheckConstraint("uses_per_member > 0", name="coupons_per_member"),
        sa.CheckConstraint("used between 0 and uses_total", name="coupons_used"),
        sa.CheckConstraint("first_day <= last_day", name="coupons_window"),
        sa.CheckConstraint("amount_off >= 0 and percent_off between 0 and 100", name="coupons_worth"),
    )
    _create(
        "coupon_uses",
        _key("code", of="store.coupons.code"),
        _key("member_id"),
        _filled("used", sa.Integer),
        sa.CheckConstraint("used >= 0", name="coupon_uses_used"),
    )


def _ordered() -> None:
    _create(
        "orders",
        _key("order_id"),
        _filled("flow"),
        _maybe("order_number"),
        _filled("version", sa.BigInteger),
        *_filled_all(("member_id", "room_id", "state")),
        _filled("attempt", sa.Integer),
        _maybe("payment_id"),
        _filled("address", JSONB),
        _filled("recipient", JSONB),
        _filled("points_choice"),
        _filled("points_some", sa.BigInteger),
        *_filled_all(("coupon_code", "means")),
        _maybe("card_id"),
        _filled("keep_card", sa.Boolean),
        _filled("invoice_to"),
        _maybe("wish_date", sa.Date),
        _filled("remarks"),
        *_filled_all(
            ("goods", "coupon", "shipping", "charges", "points", "due", "earning_amount", "shipping_points"),
            sa.BigInteger,
        ),
        *_maybe_all(("snapshot_hash", "terms_version", "cancellation_version")),
        _filled("opened_at", _INSTANT),
        _maybe("placed_at", _INSTANT),
        _maybe("promised_on", sa.Date),
        _filled("calendar_version"),
        *_maybe_all(("dispatched_at", "delivered_at", "closed_at"), _INSTANT),
        _filled("unclaimed", sa.Boolean),
        _maybe("cancelled_at", _INSTANT),
        _filled("cancel_reason"),
        sa.CheckConstraint("invoice_to in ('delivery', 'orderer')", name="orders_invoice_to"),
        _one_of("orders_means", "means", "", "card", "deferred", "epos", "none"),
        sa.CheckConstraint(
            "least(goods, coupon, shipping, charges, points, earning_amount) >= 0", name="orders_not_negative"
        ),
        sa.UniqueConstraint("order_number", name="orders_number"),
        sa.CheckConstraint("points_choice in ('none', 'some', 'all')", name="orders_points_choice"),
        _one_of(
            "orders_state",
            "state",
            "checkout",
            "placing",
            "awaiting-payer",
            "placed",
            "arranged",
            "dispatched",
            "delivered",
            "closed",
            "cancelling",
            "cancelled",
            "dropped",
        ),
        sa.CheckConstraint("goods - coupon + shipping + charges - points = due and due >= 0", name="orders_sum"),
    )
    _index("orders_of_member", "orders", ["member_id", "placed_at", "order_id"], where="placed_at is not null")
    _index(
        "orders_open_key_checkout",
        "orders",
        ["member_id"],
        unique=True,
        where="flow = 'spare-key' and state in ('checkout', 'placing', 'awaiting-payer')",
    )
    _create(
        "order_lines",
        _key("line_id"),
        _filled("order_id", of="store.orders.order_id"),
        *_filled_all(("product_id", "sku")),
        _filled("name", JSONB),
        _filled("quantity", sa.Integer),
        _filled("unit_price", sa.BigInteger),
        _filled("tax_rate", sa.Integer),
        _filled("earns_points", sa.Boolean),
        _filled("admits_points", sa.Boolean),
        _filled("coupon_share", sa.BigInteger),
        _filled("points_share", sa.BigInteger),
        sa.CheckConstraint("unit_price > 0", name="order_lines_price"),
        sa.CheckConstraint("quantity between 1 and 10", name="order_lines_quantity"),
        sa.CheckConstraint(
            "coupon_share >= 0 and points_share >= 0 and coupon_share + points_share <= quantity * unit_price",
            name="order_lines_shares",
        ),
    )
    _index("order_lines_of_order", "order_lines", ["order_id"])
    _create(
        "snapshots",
        _key("order_id", of="store.orders.order_id"),
        _key("snapshot_hash"),
        *_filled_all(("content", "facts")),
        _filled("taken_at", _INSTANT),
        sa.CheckConstraint("length(snapshot_hash) = 64", name="snapshots_hash"),
    )
    _create(
        "redemptions",
        _key("order_id"),
        _key("attempt", sa.Integer),
        _filled("code", of="store.coupons.code"),
        _filled("member_id"),
        _filled("amount", sa.BigInteger),
        _filled("redeemed_at", _INSTANT),
        _maybe("undone_at", _INSTANT),
        sa.CheckConstraint("amount >= 0", name="redemptions_amount"),
    )
    _index("redemptions_standing", "redemptions", ["order_id"], unique=True, where="undone_at is null")


def _paid() -> None:
    _create(
        "cards",
        _key("card_id"),
        *_filled_all(("member_id", "processor_ref", "brand", "last4")),
        _filled("expiry_month", sa.Integer),
        _filled("expiry_year", sa.Integer),
        _filled("given_at", _INSTANT),
        _maybe("kept_at", _INSTANT),
        _maybe("detached_at", _INSTANT),
        sa.CheckConstraint("last4 ~ '^[0-9]{4}$'", name="cards_last4"),
        sa.UniqueConstraint("processor_ref", name="cards_processor_ref"),
    )
    _index("cards_kept", "cards", ["member_id", "card_id"], where="kept_at is not null")
    _create(
        "customers",
        _key("member_id"),
        _filled("processor_ref"),
    )
    _create(
        "payments",
        _key("payment_id"),
        _filled("order_id", of="store.orders.order_id"),
        _filled("member_id"),
        _filled("ordinal", sa.Integer),
        _filled("attempt", sa.Integer),
        *_filled_all(("merchant_ref", "means", "state")),
        *_filled_all(("amount", "authorised", "captured", "refunded"), sa.BigInteger),
        _filled("partner_ref"),
        _maybe("card_id"),
        *_filled_all(("decline_code", "redirect_url", "problem")),
        _filled("credit_held", sa.Boolean),
        _filled("asked_at", _INSTANT),
        *_maybe_all(("action_until", "authorised_until", "unwanted_at", "paid_at"), _INSTANT),
        sa.CheckConstraint("(means = 'none') = (amount = 0)", name="payments_amount"),
        sa.CheckConstraint(
            "0 <= refunded and refunded <= captured and captured <= authorised and authorised <= amount",
            name="payments_invariant",
        ),
        _one_of("payments_means", "means", "card", "deferred", "epos", "none"),
        sa.UniqueConstraint("merchant_ref", name="payments_merchant_ref"),
        sa.UniqueConstraint("order_id", "ordinal", name="payments_ordinal"),
        _one_of(
            "payments_state",
            "state",
            "none-needed",
            "asked",
            "requires-action",
            "on-hold",
            "authorised",
            "captured",
            "refunded",
            "voided",
            "declined",
        ),
    )
    _index("payments_at_the_partner", "payments", ["action_until"], where="state = 'requires-action'")
    _index("payments_attempt", "payments", ["order_id", "attempt"], unique=True, where="attempt > 0")
    _index("payments_partner_ref", "payments", ["partner_ref"], where="partner_ref <> ''")
    _create(
        "intents",
        _key("intent_id"),
        _filled("payment_id", of="store.payments.payment_id"),
        _filled("step"),
        _filled("amount", sa.BigInteger),
        _filled("opened_at", _INSTANT),
        _filled("tries", sa.Integer),
        _maybe("asked_at", _INSTANT),
        _maybe("done_at", _INSTANT),
        sa.UniqueConstraint("payment_id", "step", name="intents_once"),
        _one_of("intents_step", "step", "authorise", "renew", "capture", "void", "refund", "detach"),
    )
    _index("intents_one_open", "intents", ["payment_id"], unique=True, where="done_at is null and step <> 'detach'")
    _index("intents_open", "intents", ["asked_at"], where="done_at is null")
    _create(
        "invoices",
        _key("invoice_id"),
        _filled("order_id", of="store.orders.order_id"),
        _filled("payment_id", of="store.payments.payment_id"),
        *_filled_all(("member_id", "state", "number")),
        _filled("amount", sa.BigInteger),
        _filled("charges", sa.BigInteger),
        _filled("late_charges", sa.Integer),
        _maybe("due_on", sa.Date),
        _filled("requested_at", _INSTANT),
        _maybe("issued_at", _INSTANT),
        _maybe("paid_at", _INSTANT),
        sa.CheckConstraint("amount > 0 and charges >= 0", name="invoices_amounts"),
        sa.CheckConstraint("state = 'requested' or due_on is not null or state = 'cancelled'", name="invoices_due"),
        sa.CheckConstraint("late_charges between 0 and 3", name="invoices_late_charges"),
        sa.UniqueConstraint("payment_id", name="invoices_payment"),
        _one_of("invoices_state", "state", "requested", "issued", "late", "paid", "cancelled"),
    )
    _index("invoices_of_order", "invoices", ["order_id"])
    _create(
        "invoice_actions",
        _key("action_id"),
        _filled("invoice_id", of="store.invoices.invoice_id"),
        *_filled_all(("operator", "action", "reason")),
        _filled("acted_at", _INSTANT),
    )
    _create(
        "credits",
        _key("member_id"),
        _filled("outstanding", sa.BigInteger),
        sa.CheckConstraint("outstanding >= 0", name="credits_outstanding"),
    )
    _create(
        "taken_webhooks",
        _key("partner"),
        _key("event_id"),
        _filled("kind"),
        _filled("taken_at", _INSTANT),
    )


def _chassis() -> None:
    _create(
        "requests",
        _key("principal"),
        _key("command"),
        _key("request_id"),
        _filled("digest", sa.LargeBinary),
        _filled("answer", sa.LargeBinary),
        _filled("asked_at", _INSTANT),
    )
    _create(
        "outbox",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        *_filled_all(("kind", "message_id", "aggregate_id")),
        _maybe("aggregate_version", sa.BigInteger),
        _filled("subject"),
        _maybe("payload", sa.LargeBinary),
        _maybe("line", JSONB),
        _filled("written_at", _INSTANT),
        _maybe("claimed_until", _INSTANT),
        _maybe("handed_on_at", _INSTANT),
        sa.UniqueConstraint("aggregate_id", "aggregate_version", name="outbox_aggregate_order"),
        sa.CheckConstraint("kind in ('event', 'process')", name="outbox_kind"),
        sa.UniqueConstraint("message_id", name="outbox_message_id"),
    )
    _index("outbox_waiting", "outbox", ["kind", "position"], where="handed_on_at is null")
    _create(
        "inbox",
        _key("consumer"),
        _key("source"),
        _key("aggregate_id"),
        _filled("version", sa.BigInteger),
        _filled("taken_at", _INSTANT),
    )
