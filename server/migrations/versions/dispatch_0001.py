"""Accounts, sessions, work orders, links, messages, deliveries (D1, D2, D3, D5, H2)."""

import sqlalchemy as sa
from alembic import op

from server.sql import Instant

revision, down_revision = "dispatch_0001", None
branch_labels = ("dispatch",)


def upgrade() -> None:
    _people()
    _orders()
    _messages()


def _people() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("name", "roles", "skills")),
        sa.Column("on_shift", sa.Boolean, nullable=False),
        sa.Column("language", sa.String, nullable=False),
        sa.Column("email", sa.String, nullable=False),
        sa.Column("password_hash", sa.String, nullable=False),
    )
    op.create_table(
        "session",
        sa.Column("token_hash", sa.String, primary_key=True),
        sa.Column("person", sa.String, nullable=False, index=True),
        sa.Column("seen_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False, index=True),
    )
    op.create_table(
        "login_try",
        sa.Column("account", sa.String, primary_key=True),
        sa.Column("address", sa.String, primary_key=True),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("last_at", Instant, nullable=False, index=True),
    )


def _orders() -> None:
    op.create_table(
        "work_order",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("open_key", sa.String, unique=True),
        sa.Column("alarm", sa.String),
        sa.Column("unit", sa.String, nullable=False),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("skill", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("life_safety", sa.Boolean, nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("since", Instant, nullable=False),
        sa.Column("moved_at", Instant, nullable=False),
        sa.Column("state", sa.String, nullable=False, index=True),
        sa.Column("person", sa.String),
        *(sa.Column(name, sa.String, nullable=False) for name in ("tried", "reasons")),
        sa.Column("offers", sa.Integer, nullable=False),
        sa.Column("held_in", sa.String),
        sa.Column("holds", sa.String, nullable=False),
        sa.Column("accepted_at", Instant),
        sa.Column("done_at", Instant),
        sa.Column("reopened", sa.Integer, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("cause", "remedy", "notes")),
    )
    op.create_index("ix_work_order_key", "work_order", ["key", "opened_at"])
    op.create_index("ix_work_order_person", "work_order", ["person", "state"])
    op.create_table(
        "work_order_move",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("order_id", sa.String, nullable=False, index=True),
        sa.Column("at", Instant, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("by", "before", "after")),
    )
    op.create_table(
        "work_order_alarm",
        sa.Column("order_id", sa.String, primary_key=True),
        sa.Column("alarm", sa.String, primary_key=True),
    )
    op.create_table(
        "go_link",
        sa.Column("token_hash", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("purpose", "order_id", "person")),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("used_at", Instant),
    )


def _messages() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("person_name", sa.String, nullable=False),
        sa.Column("language", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False, index=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("kind", "title", "text")),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("life_safety", sa.Boolean, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("nonce", sa.String, nullable=False),
        sa.Column("exercise", sa.Boolean, nullable=False),
        sa.Column("read_at", Instant),
    )
    op.create_index("ix_message_person", "message", ["person", "at"])
    op.create_table(
        "delivery",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("message", sa.String, nullable=False, index=True),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("urgent", sa.Boolean, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("next_at", Instant, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("repeat", sa.Boolean, nullable=False),
        sa.Column("lease_until", Instant),
    )
    op.create_index("ix_delivery_next", "delivery", ["state", "channel", "urgent", "next_at"])
