"""The logs are for good: no row of them can be changed or deleted (C2). Source time. Expand only.

A trigger refuses it, so that it holds against a mistake of ours and a hand in the database too;
who owns the database can still drop the trigger. A later migration that copies one of these tables
(batch mode in SQLite) must make its triggers anew.
"""

import sqlalchemy as sa
from alembic import op

from server.sql import Instant

revision, down_revision = "journal_0001", None
branch_labels = ("journal",)
depends_on = ("alarms_0002", "dispatch_0001", "emergency_0001")

LOGS = ("alarm_log", "work_order_move", "run_log")


def upgrade() -> None:
    op.add_column("alarm_log", sa.Column("source_at", Instant))
    op.create_index("ix_alarm_log_at", "alarm_log", ["at"])
    if op.get_bind().dialect.name == "sqlite":
        _sqlite()
    else:
        _postgres()


def _sqlite() -> None:
    for log in LOGS:
        for what in ("update", "delete"):
            op.execute(
                f"create trigger {log}_no_{what} before {what} on {log} "
                f"begin select raise(abort, '{log} is append only'); end"
            )


def _postgres() -> None:
    op.execute(
        "create function append_only() returns trigger language plpgsql as $$ "
        "begin raise exception '% is append only', tg_table_name; end $$"
    )
    for log in LOGS:
        op.execute(
            f"create trigger {log}_append_only before update or delete or truncate on {log} "
            "for each statement execute function append_only()"
        )
