"""Runs of emergency plans: roles, steps, timeline, the alarms that are their signals (E3, E4)."""

import sqlalchemy as sa
from alembic import op

from server.sql import Instant

revision, down_revision = "emergency_0001", None
branch_labels = ("emergency",)


def upgrade() -> None:
    op.create_table(
        "plan_run",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("open_key", sa.String, nullable=True, unique=True),  # one a plan and a place
        sa.Column("plan", sa.String, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("site", sa.String, nullable=False),
        sa.Column("mode", sa.String, nullable=False),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("level", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("started_at", Instant, nullable=False, index=True),
        sa.Column("stable_at", Instant),
        sa.Column("ended_at", Instant),
        sa.Column("warning_due", Instant),
        sa.Column("warning_generation", sa.Integer, nullable=False),
        sa.Column("doubted_by", sa.String),
        sa.Column("alarms", sa.String, nullable=False),
        sa.Column("sources", sa.String, nullable=False),
        sa.Column("headcount", sa.String, nullable=False),
        sa.Column("paused_at", Instant),
    )
    op.create_table(
        "run_alarm",
        sa.Column("alarm", sa.String, primary_key=True),
        sa.Column("run", sa.String, primary_key=True, index=True),
    )
    _parts()


def _parts() -> None:
    op.create_table(
        "run_role",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("role", sa.String, primary_key=True),
        sa.Column("asked", sa.String, nullable=False),
        sa.Column("person", sa.String),
        sa.Column("person_name", sa.String, nullable=False),
        sa.Column("called_at", Instant),
        sa.Column("acknowledged_at", Instant),
        sa.Column("generation", sa.Integer, nullable=False),
    )
    op.create_table(
        "run_step",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("due_at", Instant),
        sa.Column("overdue", sa.Boolean, nullable=False),
        sa.Column("started_at", Instant),
        sa.Column("ended_at", Instant),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
    )
    op.create_table(
        "run_log",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("at", Instant, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("zh", sa.String, nullable=False),
        sa.Column("en", sa.String, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("prev_hash", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
    )
