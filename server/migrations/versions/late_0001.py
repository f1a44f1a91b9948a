"""Until when each point and rule is evaluated, and what was not (C1). Expand only."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "late_0001", None
branch_labels = ("late",)


def upgrade() -> None:
    op.create_table(
        "watermark",
        sa.Column("subject", sa.String, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "late_gap",
        sa.Column("edge", sa.String, primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True),
        sa.Column("end", sa.BigInteger, nullable=False),
    )
