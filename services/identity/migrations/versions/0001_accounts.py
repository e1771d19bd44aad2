"""Accounts, codes and sessions; the security log can only be added to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.schema import Schema

revision = "0001"
down_revision = None

_SCHEMA = Schema("identity")
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_MEMBER = "identity.members.id"


def upgrade() -> None:
    _accounts()
    _consents_and_log()
    _codes()
    _envelopes_and_throttles()
    _sessions()
    _SCHEMA.chassis_tables()


def _accounts() -> None:
    op.create_table(
        "members",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("signed_up_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="members_pkey"),
        sa.CheckConstraint("starts_with(password_hash, '$argon2id$')", name="members_password_hash"),
    )
    op.create_table(
        "addresses",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("proved_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("address", name="addresses_pkey"),
        sa.ForeignKeyConstraint(["member_id"], [_MEMBER]),
        sa.UniqueConstraint("member_id", "channel", name="addresses_one_of_each"),
        sa.CheckConstraint("channel in ('email', 'sms')", name="addresses_channel"),
    )
    told = ("name", "kana", "telephone", "postal_code", "prefecture", "city", "street", "building")
    op.create_table(
        "profiles",
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        *(sa.Column(column, sa.Text(), nullable=False) for column in told),
        sa.PrimaryKeyConstraint("member_id", name="profiles_pkey"),
        sa.ForeignKeyConstraint(["member_id"], [_MEMBER]),
        sa.CheckConstraint("language in ('ja', 'en', 'zh_Hans')", name="profiles_language"),
        sa.CheckConstraint("version >= 1", name="profiles_version"),
    )


def _consents_and_log() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("given_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="consents_pkey"),
        sa.ForeignKeyConstraint(["member_id"], [_MEMBER]),
        sa.UniqueConstraint("member_id", "document", "version", name="consents_once"),
        sa.CheckConstraint("document in ('terms', 'points-terms', 'privacy')", name="consents_document"),
    )
    op.create_table(
        "security_log",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=True),
        sa.Column("happening", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="security_log_pkey"),
        sa.CheckConstraint(
            "happening in ('signed-up', 'signed-in', 'signed-in-on-new-device', 'password-wrong', 'code-wrong', "
            "'signed-out', 'session-ended', 'profile-changed', 'consents-given')",
            name="security_log_happening",
        ),
    )
    op.create_index("security_log_of_member", "security_log", ["member_id", "id"])
    op.execute("revoke update, delete, truncate on security_log from identity")
    op.execute("revoke update, delete, truncate on consents from identity")


def _codes() -> None:
    op.create_table(
        "flows",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("ended_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="flows_pkey"),
        sa.ForeignKeyConstraint(["member_id"], [_MEMBER]),
        sa.CheckConstraint("purpose in ('sign-up', 'new-device')", name="flows_purpose"),
        sa.CheckConstraint("channel in ('email', 'sms')", name="flows_channel"),
        sa.CheckConstraint("(purpose = 'new-device') = (member_id is not null)", name="flows_member"),
        sa.CheckConstraint("sequence >= 1", name="flows_sequence"),
    )
    op.create_index("ix_identity_flows_expires_at", "flows", ["expires_at"])
    op.create_table(
        "codes",
        sa.Column("address_digest", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("used_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("address_digest", "purpose", name="codes_pkey"),
        sa.ForeignKeyConstraint(["flow_id"], ["identity.flows.id"]),
        sa.CheckConstraint("purpose in ('sign-up', 'new-device')", name="codes_purpose"),
        sa.CheckConstraint("tries >= 0", name="codes_tries"),
    )
    op.create_index("ix_identity_codes_expires_at", "codes", ["expires_at"])
    op.create_index("ix_identity_codes_flow_id", "codes", ["flow_id"])


def _envelopes_and_throttles() -> None:
    op.create_table(
        "envelopes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("destroyed_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="envelopes_pkey"),
        sa.CheckConstraint("(wrapped_key is null) = (destroyed_at is not null)", name="envelopes_destroyed"),
        sa.CheckConstraint("(ciphertext is null) = (destroyed_at is not null)", name="envelopes_emptied"),
    )
    op.create_index("ix_identity_envelopes_flow_id", "envelopes", ["flow_id"])
    op.create_index("ix_identity_envelopes_expires_at", "envelopes", ["expires_at"])
    op.create_table(
        "throttles",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("forgotten_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="throttles_pkey"),
    )
    op.create_index("ix_identity_throttles_forgotten_at", "throttles", ["forgotten_at"])


def _sessions() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("seen_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="devices_pkey"),
        sa.ForeignKeyConstraint(["member_id"], [_MEMBER]),
        sa.UniqueConstraint("token_digest"),
    )
    op.create_index("ix_identity_devices_member_id", "devices", ["member_id"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("started_at", _INSTANT, nullable=False),
        sa.Column("seen_at", _INSTANT, nullable=False),
        sa.Column("idle_until", _INSTANT, nullable=False),
        sa.Column("absolute_until", _INSTANT, nullable=False),
        sa.Column("ended_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="sessions_pkey"),
        sa.ForeignKeyConstraint(["member_id"], [_MEMBER]),
        sa.ForeignKeyConstraint(["device_id"], ["identity.devices.id"]),
        sa.UniqueConstraint("token_digest"),
        sa.CheckConstraint("idle_until <= absolute_until", name="sessions_bounded"),
    )
    op.create_index("sessions_of_member", "sessions", ["member_id", "id"])
