"""Alarms, their log, the state of rules, timers, decided events, the change log (C1, C2, D1)."""

import sqlalchemy as sa
from alembic import op

from server.sql import Instant

revision, down_revision = "alarms_0001", None
branch_labels = ("alarms",)


def upgrade() -> None:
    op.create_table(
        "change",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sqlite_autoincrement=True,  # an id is never used twice: screens resume by it
    )
    op.create_table(
        "timer",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False, index=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("due", Instant, nullable=False, index=True),
        sa.Column("facts", sa.String, nullable=False),
        sa.UniqueConstraint("kind", "subject", "generation"),
    )
    op.create_table(
        "event_seen",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("point", sa.String, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("recorded_at", Instant, nullable=False, index=True),
    )
    op.create_index("event_seen_newest", "event_seen", ["point", "at"])
    _alarms()


def _alarms() -> None:
    op.create_table(
        "alarm",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("open_key", sa.String, nullable=True, unique=True),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("point", sa.String, nullable=False, index=True),
        sa.Column("unit", sa.String, nullable=False),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("handling", sa.String, nullable=False),
        sa.Column("life", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("guidance", sa.String, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("limit", sa.Float),
        sa.Column("unit_symbol", sa.String, nullable=False),
        sa.Column("raised_at", Instant, nullable=False, index=True),
        sa.Column("recorded_at", Instant, nullable=False),
        sa.Column("returned_at", Instant),
        sa.Column("acknowledged_at", Instant),
        sa.Column("acknowledged_by", sa.String),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("order", sa.String),
        sa.Column("run", sa.String),
    )
    op.create_table(
        "alarm_log",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("alarm", sa.String, nullable=False, index=True),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("value", sa.Float),
    )
    op.create_table(
        "rule_state",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("phase", sa.String, nullable=False),
        sa.Column("since", Instant),
        sa.Column("spent_s", sa.Float, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
    )
