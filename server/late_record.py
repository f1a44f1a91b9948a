"""What the history says of a time nobody evaluated, made into alarms: within one unit of work."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from server.alarms import decide, handlers
from server.alarms.handlers import Here
from server.alarms.model import Missed, Phase, RuleState, Watch
from server.alarms.store import ALARMS, LOG
from server.backtest import Played, Raised
from server.watermarks import Gap
from watchkeeper.clock import unix_ms


class Rang(NamedTuple):
    """From when to when a rule rang, by the time of the readings; Unix ms. None: it still does."""

    begin: int
    end: int | None


def rang(connection: sa.Connection, watch: Watch, gap: Gap) -> list[Rang]:
    """Return when the rule rang at a time that touches the gap."""
    start, end = decide.instant(gap.start), decide.instant(gap.end)
    query = (
        sa.select(ALARMS.c.id, LOG.c.what, LOG.c.source_at)
        .join(LOG, LOG.c.alarm == ALARMS.c.id)
        .where(
            ALARMS.c.rule == watch.rule.key,
            ALARMS.c.point == watch.point,
            ALARMS.c.raised_at <= end,
            sa.or_(ALARMS.c.returned_at.is_(None), ALARMS.c.returned_at >= start),
            LOG.c.what.in_(("raise", "late", "return")),
        )
        .order_by(LOG.c.id)
    )
    found: list[Rang] = []
    begun: dict[str, int] = {}  # alarm -> place of what goes on
    for row in connection.execute(query):
        if row.source_at is None:
            continue
        if row.what != "return":
            begun[row.id] = len(found)
            found.append(Rang(unix_ms(row.source_at), None))
        elif row.id in begun:
            place = begun.pop(row.id)
            found[place] = found[place]._replace(end=unix_ms(row.source_at))
    return found


def state_at(known: Iterable[Rang], at: int) -> RuleState:
    """Return where the rule stood at an instant, as far as its alarms tell."""
    active = any(each.begin <= at and (each.end is None or each.end > at) for each in known)
    return RuleState(Phase.ACTIVE) if active else RuleState()


def caught_up(watch: Watch, before: RuleState, played: Played, here: Here) -> bool:
    """Take the rule on to where the history leads from `before`; False: it has moved since."""
    if here.alarms.state(watch.key).generation != before.generation:
        return False
    _keep(watch, before, played.state, here)
    if played.ended is not None:
        handlers.over_meanwhile(watch, decide.instant(played.ended), here)
    for each in played.raised:
        handlers.missed(watch, _missed(each, each.returned_at), here)
    return True


def mended(watch: Watch, played: Played, known: Sequence[Rang], gap: Gap, here: Here) -> None:
    """Record what rang within a gap, where the rule has gone on after it. Safe to run twice."""
    for each in played.raised:
        if any(_same(each, other) for other in known):
            continue
        if each.returned_at is not None:
            handlers.missed(watch, _missed(each, each.returned_at), here)
        else:
            _joined(watch, each, played.state, gap, here)
    if not played.raised and played.state.phase is Phase.PENDING:
        _longer(watch, played.state, here)


def _joined(watch: Watch, last: Raised, state: RuleState, gap: Gap, here: Here) -> None:
    """Join what still rang at the end of a gap to what came live."""
    now = here.alarms.state(watch.key)
    if now.phase is Phase.PENDING:
        _keep(watch, now, replace(state, memory=now.memory), here)
        handlers.missed(watch, _missed(last, None), here)
    elif now.phase is Phase.NORMAL:
        handlers.missed(watch, _missed(last, gap.end), here)


def _longer(watch: Watch, state: RuleState, here: Here) -> None:
    """Let a delay that runs have begun within the gap."""
    now = here.alarms.state(watch.key)
    if now.phase is Phase.PENDING and now.since is not None and state.since is not None:
        _keep(watch, now, replace(state, memory=now.memory), here)


def _keep(watch: Watch, before: RuleState, after: RuleState, here: Here) -> None:
    """Store a state; its number is new, so that a timer of the old one means nothing."""
    kept = replace(after, generation=max(before.generation + 1, after.generation))
    left = decide.left_s(watch.rule, kept)
    due = None
    if left is not None and kept.since is not None:
        due = kept.since + timedelta(seconds=left)
    here.alarms.keep(watch.key, kept, due)


def _same(found: Raised, known: Rang) -> bool:
    over = found.returned_at
    return (over is None or known.begin <= over) and (known.end is None or known.end >= found.at)


def _missed(found: Raised, over: int | None) -> Missed:
    returned: datetime | None = None if over is None else decide.instant(over)
    return Missed(decide.instant(found.at), found.value, returned, found.priority)
