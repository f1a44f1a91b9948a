"""Rules have grades and remember readings; alarms the site's own revision (C1). Expand only."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "alarms_0003", "alarms_0002"


def upgrade() -> None:
    for column in (
        sa.Column("grade", sa.Integer, nullable=False, server_default="0"),
        sa.Column("toward", sa.Integer, nullable=False, server_default="0"),
        sa.Column("memory", sa.String, nullable=False, server_default=""),
    ):
        op.add_column("rule_state", column)
    op.add_column("alarm", sa.Column("override", sa.Integer, nullable=False, server_default="0"))
