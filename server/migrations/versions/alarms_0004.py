"""Alarms have a root, and floods are known (C3). Expand only."""

import sqlalchemy as sa
from alembic import op

from server.sql import Instant

revision, down_revision = "alarms_0004", "alarms_0003"


def upgrade() -> None:
    op.add_column("alarm", sa.Column("cause", sa.String))
    op.create_index("ix_alarm_cause", "alarm", ["cause"])
    op.create_index("alarm_recorded", "alarm", ["recorded_at"])
    op.create_table(
        "alarm_flood",
        sa.Column("began_at", Instant, primary_key=True),
        sa.Column("ended_at", Instant),
    )
