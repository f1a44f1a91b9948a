"""What `why` is decided on, gathered: values, rules and their states, alarms, flags, edges."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import sqlalchemy as sa

from server.alarms import decide
from server.alarms.model import Bounds, Codes, Phase, RuleState, Watch, figure, subjects
from server.alarms.store import ALARMS
from server.conditions import Within, inner, others
from server.notify.store import told_of
from server.parts import Parts
from server.people.store import SqlPeople
from server.standing import flags
from server.why import Flag, Rang, RuleSeen, Seen
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import PointId
from watchkeeper.quality import FIRST_BAD, Quality, third
from watchkeeper.site import SitePoint
from watchkeeper.units import SYMBOLS

_NEWEST = (
    sa.select(ALARMS)
    .where(ALARMS.c.point == sa.bindparam("point"), ALARMS.c.rule == sa.bindparam("rule"))
    .order_by(ALARMS.c.raised_at.desc(), ALARMS.c.id.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Looked:
    """A rule as it was looked at: what is decided on, and what a page shows beside it."""

    watch: Watch
    state: RuleState
    seen: RuleSeen
    alarm: Mapping[str, Any] | None
    messages: list[dict[str, Any]]


class Look:
    """Looks at one point, once."""

    def __init__(self, parts: Parts, item: SitePoint) -> None:
        """`item` is the point."""
        self._parts, self._item = parts, item
        self.now = unix_ms(parts.clock.now())
        self.slot = parts.latest.index[item.id]
        (self.row,) = parts.latest.show([item.id])
        with parts.read.connect() as connection:
            self._people = {each.id: each.name for each in SqlPeople(connection).all()}
        self.edge = next(
            edge.id for edge in parts.plant.site.edges if item.unit.id in {u.id for u in edge.units}
        )
        self.rules = [self._looked(watch) for watch in self._watches()]

    def seen(self) -> Seen:
        """Return what `why` is decided on."""
        latest, row = self._parts.latest, self.row
        quality = int(latest.quality[self.slot])  # as it came, under what silence made of it
        came = row["at"] is not None
        return Seen(
            now=self.now,
            value=self.written(row["value"]),
            at=row["at"],
            fresh_at=int(latest.seen[self.slot]) if came else None,
            quality=self.quality(quality),
            bad=quality >= FIRST_BAD,
            unsynchronised=quality == Quality.CLOCK_UNSYNCHRONISED,
            stale=bool(row["stale"]),
            edge=self.edge,
            edge_lost=bool(latest.cut_off[self.slot]),
            rules=[each.seen for each in self.rules],
        )

    def written(self, value: float | None) -> Text | None:
        """Return a value of the point as people read it."""
        if value is None:
            return None
        for word in self._item.point.words:
            if word.value == value:
                return word.name
        unit = self._item.point.unit
        number = figure(value, self._item.point.decimals, SYMBOLS.get(unit, unit))
        return Text(number, number)

    def quality(self, code: int) -> Text:
        """Return the word of a quality; one nobody knows takes that of its third."""
        texts = self._parts.texts
        known = f"quality.code-{code}" in texts.by_key
        return texts.both(f"quality.code-{code if known else int(third(code))}")

    def _of_values(self) -> Iterator[Watch]:
        point = self._item.id
        for watch in self._parts.rules.watches.values():
            if point == watch.point or point in others(watch.condition):
                yield watch

    def _watches(self) -> list[Watch]:
        silent = (w for w in self._parts.rules.stale.values() if w.point == self._item.id)
        return [*self._of_values(), *silent]

    def _looked(self, watch: Watch) -> Looked:
        state = self._parts.watching.state(watch.key)
        alarm = self._newest(watch)
        about = [alarm[name] for name in ("id", "order", "run") if alarm[name]] if alarm else []
        messages = told_of(self._parts.read, about) if about else []
        seen = self._rule(watch, state, alarm, len(messages))
        return Looked(watch, state, seen, alarm, messages)

    def _rule(
        self, watch: Watch, state: RuleState, alarm: Mapping[str, Any] | None, told: int
    ) -> RuleSeen:
        kind = inner(watch.condition)
        silent = watch.rule.stale is not None
        bounds = kind if isinstance(kind, Bounds) and not silent else Bounds()
        calendar = watch.condition if isinstance(watch.condition, Within) else None
        return RuleSeen(
            watch.key,
            titled(watch),
            truth=self._truth(watch, state),
            phase=state.phase.value,
            spent_s=self._spent_s(state),
            delay_s=watch.rule.on_delay_s
            if state.phase is Phase.PENDING
            else watch.rule.off_delay_s,
            frozen=state.phase is Phase.PENDING and state.since is None,
            open=calendar is None or calendar.open(self.now),
            kind="stale" if silent else _kind(kind),
            low=bounds.low,
            high=bounds.high,
            span=self._span(watch),
            rang=None if alarm is None else self._rang(watch, alarm, told),
            flags=self._flags(watch),
        )

    def _truth(self, watch: Watch, state: RuleState) -> bool | None:
        """Return what the rule would say now, as `evaluate` says it."""
        if watch.rule.stale is not None:
            (silence,) = self._parts.latest.silence_s(self._parts.latest.slots([watch.point]))
            return decide.evaluate(watch.condition, state.phase, float(silence))
        memory, _ = self._parts.watching.seen(watch.key)
        value = self._parts.latest.value_of(PointId(watch.point))
        return decide.evaluate(watch.condition, state.phase, value, self.now, memory)

    def _spent_s(self, state: RuleState) -> float:
        running = 0.0 if state.since is None else (self.now - unix_ms(state.since)) / 1000
        return state.spent_s + max(running, 0.0)

    def _newest(self, watch: Watch) -> Mapping[str, Any] | None:
        with self._parts.read.connect() as connection:
            asked = {"point": watch.point, "rule": watch.rule.key}
            found = connection.execute(_NEWEST, asked).first()
        return None if found is None else found._asdict()

    def _rang(self, watch: Watch, alarm: Mapping[str, Any], told: int) -> Rang:
        acknowledged = alarm["life"] == "acknowledged"
        return Rang(
            raised=unix_ms(alarm["raised_at"]),
            returned=None if alarm["returned_at"] is None else unix_ms(alarm["returned_at"]),
            life=alarm["life"],
            acknowledged_by=self.person(alarm["acknowledged_by"]) if acknowledged else None,
            priority=alarm["priority"],
            handling=alarm["handling"],
            count=alarm["count"],
            late=alarm["late"],
            told=told,
            echo_of=watch.rule.echo_of,
        )

    def person(self, name: str | None) -> Text:
        """Return a person's name in both languages; an account that is gone has its id."""
        known = {str(key): value for key, value in self._people.items()}
        return known.get(name or "", Text(name or "", name or ""))

    def _flags(self, watch: Watch) -> list[Flag]:
        of = subjects(watch.unit, watch.point, watch.zone, watch.key)
        return [
            Flag(each["kind"], self.person(each["by"]), each["reason"], each["until"])
            for each in flags(self._parts.read, of)
        ]

    def _span(self, watch: Watch) -> Text:
        """Return where the rule is not true, or what it rings at, in words."""
        match inner(watch.condition):
            case Bounds(low=low, high=high):
                ends = [self._figure(watch, each) for each in (low, high) if abs(each) != inf]
                number = "–".join(ends)
                return Text(number, number)
            case Codes(values=values, inverted=inverted):
                return self._codes(watch, sorted(values), inverted=inverted)
            case _:
                return Text("", "")

    def _codes(self, watch: Watch, values: list[float], *, inverted: bool) -> Text:
        texts = self._parts.texts
        either = texts.both("why.or")
        plain = [watch.words.get(each, Text(f"{each:g}", f"{each:g}")) for each in values]
        zh, en = either.zh.join(w.zh for w in plain), either.en.join(w.en for w in plain)
        if not inverted:
            return Text(zh, en)
        return Text(texts("why.not", "zh", words=zh), texts("why.not", "en", words=en))

    @staticmethod
    def _figure(watch: Watch, value: float) -> str:
        return figure(value, watch.decimals, watch.symbol)


def _kind(kind: object) -> str:
    if isinstance(kind, Bounds):
        return "limit"
    return "state" if isinstance(kind, Codes) else "other"


_OPEN = re.compile(r"[\s,:;，：；]*…$")  # what is left of ": {value}" at the end of a title


class _Blank(dict[str, str]):
    """Fills a template; what a rule says of a value it does not have is left open."""

    def __missing__(self, key: str) -> str:
        return "…"


def titled(watch: Watch) -> Text:
    """Return the title of a rule at its point, without a value: "HVAC 1 overloaded"."""
    title = watch.rule.title
    zh = _Blank({name: text.zh for name, text in watch.names.items()})
    en = _Blank({name: text.en for name, text in watch.names.items()})
    return Text(_OPEN.sub("", title.zh.format_map(zh)), _OPEN.sub("", title.en.format_map(en)))
