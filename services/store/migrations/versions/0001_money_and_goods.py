"""Catalogue, coupons, orders, cards, payments and invoices; what every context keeps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from services.chassis.schema import INSTANT, Schema, filled, key, maybe

revision = "0001"
down_revision = None

_SCHEMA = Schema("store")


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("order_numbers", schema="store")))
    _sold()
    _ordered()
    _paid()
    _SCHEMA.chassis_tables()


def _one_of(constraint: str, column: str, *words: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} in ({', '.join(map(repr, words))})", name=constraint)


def _sold() -> None:
    _SCHEMA.table(
        "products",
        key("product_id"),
        *map(filled, ("sku", "category")),
        filled("name", JSONB),
        filled("description", JSONB),
        filled("picture"),
        filled("price", sa.BigInteger),
        filled("tax_rate", sa.Integer),
        filled("lead_business_days", sa.Integer),
        *(filled(name, sa.Boolean) for name in ("earns_points", "admits_points", "cancellable")),
        filled("means", sa.ARRAY(sa.Text)),
        sa.CheckConstraint("lead_business_days between 1 and 60", name="products_lead"),
        sa.CheckConstraint(
            "means <@ array['card', 'deferred', 'epos'] and cardinality(means) > 0", name="products_means"
        ),
        sa.CheckConstraint("price > 0", name="products_price"),
        sa.UniqueConstraint("sku", name="products_sku"),
        sa.CheckConstraint("tax_rate in (8, 10)", name="products_tax_rate"),
    )
    _SCHEMA.table(
        "coupons",
        key("code"),
        filled("name", JSONB),
        filled("amount_off", sa.BigInteger),
        filled("percent_off", sa.Integer),
        filled("first_day", sa.Date),
        filled("last_day", sa.Date),
        filled("minimum", sa.BigInteger),
        filled("skus", sa.ARRAY(sa.Text)),
        *(filled(name, sa.Integer) for name in ("uses_per_member", "uses_total", "used")),
        sa.CheckConstraint("minimum >= 0", name="coupons_minimum"),
        sa.CheckConstraint("(amount_off > 0) <> (percent_off > 0)", name="coupons_one_kind"),
        sa.CheckConstraint("uses_per_member > 0", name="coupons_per_member"),
        sa.CheckConstraint("used between 0 and uses_total", name="coupons_used"),
        sa.CheckConstraint("first_day <= last_day", name="coupons_window"),
        sa.CheckConstraint("amount_off >= 0 and percent_off between 0 and 100", name="coupons_worth"),
    )
    _SCHEMA.table(
        "coupon_uses",
        key("code", of="store.coupons.code"),
        key("member_id"),
        filled("used", sa.Integer),
        sa.CheckConstraint("used >= 0", name="coupon_uses_used"),
    )


def _ordered() -> None:
    _SCHEMA.table(
        "orders",
        key("order_id"),
        filled("flow"),
        maybe("order_number"),
        filled("version", sa.BigInteger),
        *map(filled, ("member_id", "room_id", "state")),
        filled("attempt", sa.Integer),
        maybe("payment_id"),
        filled("address", JSONB),
        filled("recipient", JSONB),
        filled("points_choice"),
        filled("points_some", sa.BigInteger),
        *map(filled, ("coupon_code", "means")),
        maybe("card_id"),
        filled("keep_card", sa.Boolean),
        filled("invoice_to"),
        maybe("wish_date", sa.Date),
        filled("remarks"),
        *(
            filled(name, sa.BigInteger)
            for name in ("goods", "coupon", "shipping", "charges", "points", "due", "earning_amount", "shipping_points")
        ),
        *map(maybe, ("snapshot_hash", "terms_version", "cancellation_version")),
        filled("opened_at", INSTANT),
        maybe("placed_at", INSTANT),
        maybe("promised_on", sa.Date),
        filled("calendar_version"),
        *(maybe(name, INSTANT) for name in ("dispatched_at", "delivered_at", "closed_at")),
        filled("unclaimed", sa.Boolean),
        maybe("cancelled_at", INSTANT),
        filled("cancel_reason"),
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
    _SCHEMA.index("orders_of_member", "orders", "member_id", "placed_at", "order_id", where="placed_at is not null")
    _SCHEMA.index(
        "orders_open_key_checkout",
        "orders",
        "member_id",
        unique=True,
        where="flow = 'spare-key' and state in ('checkout', 'placing', 'awaiting-payer')",
    )
    _SCHEMA.table(
        "order_lines",
        key("line_id"),
        filled("order_id", of="store.orders.order_id"),
        *map(filled, ("product_id", "sku")),
        filled("name", JSONB),
        filled("quantity", sa.Integer),
        filled("unit_price", sa.BigInteger),
        filled("tax_rate", sa.Integer),
        filled("earns_points", sa.Boolean),
        filled("admits_points", sa.Boolean),
        filled("coupon_share", sa.BigInteger),
        filled("points_share", sa.BigInteger),
        sa.CheckConstraint("unit_price > 0", name="order_lines_price"),
        sa.CheckConstraint("quantity between 1 and 10", name="order_lines_quantity"),
        sa.CheckConstraint(
            "coupon_share >= 0 and points_share >= 0 and coupon_share + points_share <= quantity * unit_price",
            name="order_lines_shares",
        ),
    )
    _SCHEMA.index("order_lines_of_order", "order_lines", "order_id")
    _SCHEMA.table(
        "snapshots",
        key("order_id", of="store.orders.order_id"),
        key("snapshot_hash"),
        *map(filled, ("content", "facts")),
        filled("taken_at", INSTANT),
        sa.CheckConstraint("length(snapshot_hash) = 64", name="snapshots_hash"),
    )
    _SCHEMA.table(
        "redemptions",
        key("order_id"),
        key("attempt", sa.Integer),
        filled("code", of="store.coupons.code"),
        filled("member_id"),
        filled("amount", sa.BigInteger),
        filled("redeemed_at", INSTANT),
        maybe("undone_at", INSTANT),
        sa.CheckConstraint("amount >= 0", name="redemptions_amount"),
    )
    _SCHEMA.index("redemptions_standing", "redemptions", "order_id", unique=True, where="undone_at is null")


def _paid() -> None:
    _SCHEMA.table(
        "cards",
        key("card_id"),
        *map(filled, ("member_id", "processor_ref", "brand", "last4")),
        filled("expiry_month", sa.Integer),
        filled("expiry_year", sa.Integer),
        filled("given_at", INSTANT),
        maybe("kept_at", INSTANT),
        maybe("detached_at", INSTANT),
        sa.CheckConstraint("last4 ~ '^[0-9]{4}$'", name="cards_last4"),
        sa.UniqueConstraint("processor_ref", name="cards_processor_ref"),
    )
    _SCHEMA.index("cards_kept", "cards", "member_id", "card_id", where="kept_at is not null")
    _SCHEMA.table(
        "customers",
        key("member_id"),
        filled("processor_ref"),
    )
    _SCHEMA.table(
        "payments",
        key("payment_id"),
        filled("order_id", of="store.orders.order_id"),
        filled("member_id"),
        filled("ordinal", sa.Integer),
        filled("attempt", sa.Integer),
        *map(filled, ("merchant_ref", "means", "state")),
        *(filled(name, sa.BigInteger) for name in ("amount", "authorised", "captured", "refunded")),
        filled("partner_ref"),
        maybe("card_id"),
        *map(filled, ("decline_code", "redirect_url", "problem")),
        filled("credit_held", sa.Boolean),
        filled("asked_at", INSTANT),
        *(maybe(name, INSTANT) for name in ("action_until", "authorised_until", "unwanted_at", "paid_at")),
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
    _SCHEMA.index("payments_at_the_partner", "payments", "action_until", where="state = 'requires-action'")
    _SCHEMA.index("payments_attempt", "payments", "order_id", "attempt", unique=True, where="attempt > 0")
    _SCHEMA.index("payments_partner_ref", "payments", "partner_ref", where="partner_ref <> ''")
    _SCHEMA.table(
        "intents",
        key("intent_id"),
        filled("payment_id", of="store.payments.payment_id"),
        filled("step"),
        filled("amount", sa.BigInteger),
        filled("opened_at", INSTANT),
        filled("tries", sa.Integer),
        maybe("asked_at", INSTANT),
        maybe("done_at", INSTANT),
        sa.UniqueConstraint("payment_id", "step", name="intents_once"),
        _one_of("intents_step", "step", "authorise", "renew", "capture", "void", "refund", "detach"),
    )
    _SCHEMA.index(
        "intents_one_open", "intents", "payment_id", unique=True, where="done_at is null and step <> 'detach'"
    )
    _SCHEMA.index("intents_open", "intents", "asked_at", where="done_at is null")
    _SCHEMA.table(
        "invoices",
        key("invoice_id"),
        filled("order_id", of="store.orders.order_id"),
        filled("payment_id", of="store.payments.payment_id"),
        *map(filled, ("member_id", "state", "number")),
        filled("amount", sa.BigInteger),
        filled("charges", sa.BigInteger),
        filled("late_charges", sa.Integer),
        maybe("due_on", sa.Date),
        filled("requested_at", INSTANT),
        maybe("issued_at", INSTANT),
        maybe("paid_at", INSTANT),
        sa.CheckConstraint("amount > 0 and charges >= 0", name="invoices_amounts"),
        sa.CheckConstraint("state = 'requested' or due_on is not null or state = 'cancelled'", name="invoices_due"),
        sa.CheckConstraint("late_charges between 0 and 3", name="invoices_late_charges"),
        sa.UniqueConstraint("payment_id", name="invoices_payment"),
        _one_of("invoices_state", "state", "requested", "issued", "late", "paid", "cancelled"),
    )
    _SCHEMA.index("invoices_of_order", "invoices", "order_id")
    _SCHEMA.table(
        "invoice_actions",
        key("action_id"),
        filled("invoice_id", of="store.invoices.invoice_id"),
        *map(filled, ("operator", "action", "reason")),
        filled("acted_at", INSTANT),
    )
    _SCHEMA.table(
        "credits",
        key("member_id"),
        filled("outstanding", sa.BigInteger),
        sa.CheckConstraint("outstanding >= 0", name="credits_outstanding"),
    )
    _SCHEMA.table(
        "taken_webhooks",
        key("partner"),
        key("event_id"),
        filled("kind"),
        filled("taken_at", INSTANT),
    )
