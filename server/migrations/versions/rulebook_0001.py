"""Versions of rules: drafted, reviewed, in effect (C1)."""

import sqlalchemy as sa
from alembic import op

from server.sql import Instant

revision, down_revision = "rulebook_0001", None
branch_labels = ("rulebook",)


def upgrade() -> None:
    op.create_table(
        "rule_version",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("key", sa.String, nullable=False, index=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("life_safety", sa.Boolean, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("judge", sa.String),
        sa.Column("judged_at", Instant),
        sa.Column("judged_note", sa.String, nullable=False),
        sa.UniqueConstraint("key", "revision"),
    )
