"""Flags that hold back telling people of alarms, and what was set off in test mode (C2)."""

import sqlalchemy as sa
from alembic import op

from server.sql import Instant

revision, down_revision = "flags_0001", None
branch_labels = ("flags",)


def upgrade() -> None:
    op.create_table(
        "flag",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("standing", sa.String, nullable=True, unique=True),  # NULL once it has ended
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("handling", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("since", Instant, nullable=False, index=True),
        sa.Column("until", Instant),
        sa.Column("one_shot", sa.Boolean, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("permit", sa.String, nullable=False),
        sa.Column("company", sa.String, nullable=False),
        sa.Column("points", sa.String, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("ended_at", Instant),
        sa.Column("ended_by", sa.String),
        sa.Column("ended_why", sa.String, nullable=False),
    )
    op.create_table(
        "flag_tested",
        sa.Column("flag", sa.String, primary_key=True),
        sa.Column("point", sa.String, primary_key=True),
        sa.Column("alarm", sa.String, nullable=False),
        sa.Column("at", Instant, nullable=False),
    )
