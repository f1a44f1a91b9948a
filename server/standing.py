"""What nobody is told of at present: shelved, suppressed, out of service, in test."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from server.flags.model import Kind
from server.flags.store import FLAGS
from server.parts import Parts
from watchkeeper.clock import unix_ms

_text = msgspec.json.Decoder(dict[str, str]).decode


def standing(parts: Parts) -> dict[str, list[dict[str, Any]]]:
    """Return by kind what stands now, whatever the period of the figures is."""
    found: dict[str, list[dict[str, Any]]] = {kind.value: [] for kind in Kind}
    for each in flags(parts.read):
        found[each["kind"]].append(each)
    return found


def flags(engine: sa.Engine, subjects: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the flags that stand, of these subjects or of all, the one that ends first first."""
    query = sa.select(FLAGS).where(FLAGS.c.standing.is_not(None))
    query = query.order_by(FLAGS.c.until.is_(None), FLAGS.c.until, FLAGS.c.id)
    if subjects is not None:
        query = query.where(FLAGS.c.subject.in_(subjects))
    with engine.connect() as connection:
        return [
            {
                "id": row.id,
                "kind": row.kind,
                "subject": row.subject,
                "name": _text(row.name),
                "since": unix_ms(row.since),
                "until": None if row.until is None else unix_ms(row.until),
                "by": row.by,
                "reason": row.reason,
            }
            for row in connection.execute(query)
        ]
