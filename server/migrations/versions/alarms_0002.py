"""Alarms latch, worsen, chatter and are held back by flags (C2). Expand only."""

import sqlalchemy as sa
from alembic import op

from server.sql import Instant

revision, down_revision = "alarms_0002", "alarms_0001"


def upgrade() -> None:
    for column in (
        sa.Column("priority_max", sa.Integer, nullable=False, server_default="0"),
        sa.Column("flags", sa.String, nullable=False, server_default="[]"),
        sa.Column("shelved_until", Instant),
        sa.Column("untold", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("tellings", sa.Integer, nullable=False, server_default="1"),
        sa.Column("raises", sa.String, nullable=False, server_default="[]"),
        sa.Column("chatter_since", Instant),
        sa.Column("chatter_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("fleeting", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("test", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        op.add_column("alarm", column)
    op.execute("update alarm set priority_max = priority")
    op.create_index("alarm_newest", "alarm", ["point", "rule", "raised_at"])
    op.add_column("alarm_log", sa.Column("note", sa.String, nullable=False, server_default=""))
    op.create_table(
        "alarm_hold",
        sa.Column("flag", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False, index=True),
        sa.Column("until", Instant),
    )
