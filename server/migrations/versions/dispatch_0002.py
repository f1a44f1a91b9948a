"""Alarms of a flood wait to be told together (C3). Expand only."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "dispatch_0002", "dispatch_0001"


def upgrade() -> None:
    op.create_table(
        "message_gathered",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("alarm", sa.String, nullable=False, unique=True),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False),
    )
