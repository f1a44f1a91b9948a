"""What may be asked of a backtest, and which rule is meant; an error says what to do instead."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias

from pydantic import BaseModel, Field

from server import rules
from server.alarms.model import Watch
from server.backtest import points
from server.backtest_told import Period
from server.parts import Parts
from server.rule_words import Rule
from watchkeeper.clock import unix_ms
from watchkeeper.decimate import FEWEST
from watchkeeper.errors import ConfigError, NotPossible
from watchkeeper.ids import PointId
from watchkeeper.spans import DAY_MS

MOST_POINTS = 200
MOST_DAYS = 93
MOST_POINT_DAYS = 6_200  # inputs times days: 200 points over a month
LONGEST_TEXT = 100_000

# A rule's key and revision -> its file (schema wk.rules/1); None: it is not kept.
TextOf: TypeAlias = Callable[[str, int], str | None]
Key: TypeAlias = Annotated[str, Field(max_length=60)]


class Which(BaseModel, frozen=True, extra="forbid"):
    """A draft, or a rule of the catalog by its key, in one of its revisions."""

    text: str = Field("", max_length=LONGEST_TEXT, description="rules, schema wk.rules/1")
    key: Key = Field("", description="of the rule; needed where the text has several")
    revision: int | None = Field(None, ge=1, description="the one in force if none is named")


class Span(BaseModel, frozen=True, extra="forbid"):
    """Where and when."""

    point: str = Field("", max_length=200, description="one point; all the rule is for if empty")
    start: int = Field(ge=0, description="Unix ms")
    end: int = Field(ge=0, description="Unix ms, exclusive; not after now")


class Asked(Which, Span, frozen=True):
    """One rule over a period."""


class AskedPlot(Asked, frozen=True):
    """One rule at one point, to be drawn."""

    wanted: int = Field(1_000, ge=FEWEST, le=10_000, description="readings to be drawn")


class AskedTwo(Span, frozen=True):
    """Two revisions or drafts over the same period."""

    a: Which
    b: Which


class Meant:
    """Finds the rule and the points that are meant."""

    def __init__(self, parts: Parts, text_of: TextOf | None = None) -> None:
        self._parts, self._text_of = parts, text_of

    def period(self, asked: Span) -> Period:
        """Return the period, at most until now. Raises NotPossible."""
        end = min(asked.end, unix_ms(self._parts.clock.now()))
        if end <= asked.start:
            raise NotPossible("server.span", start=asked.start, end=asked.end, width=0)
        if end - asked.start > MOST_DAYS * DAY_MS:
            raise NotPossible("server.too-long", most_days=MOST_DAYS)
        return Period(asked.start, end)

    def watches(self, which: Which, point: str, period: Period) -> tuple[Rule, list[Watch]]:
        """Return the rule and its watches, of one point or of all.

        Raises KeyError: no such rule, revision or point. NotPossible: a draft that makes no sense,
        a rule readings say nothing of, or too much for one answer.
        """
        found = self._drafted(which) if which.text else self._kept(which)
        rule = found[0].rule
        if point:
            found = [watch for watch in found if watch.point == PointId(point)]
            if not found:
                raise KeyError(point)
        _small_enough(found, period)
        return rule, found

    def _kept(self, which: Which) -> list[Watch]:
        book = self._parts.rules
        current = book.rules.get(which.key)
        if current is not None and which.revision in {None, current.revision}:
            if current.signal:
                raise NotPossible("backtest.signal", rule=which.key)
            every = (*book.watches.values(), *book.stale.values())
            return _some([watch for watch in every if watch.rule.key == which.key], which.key)
        text = None
        if self._text_of is not None and which.revision is not None:
            text = self._text_of(which.key, which.revision)
        if text is None:
            raise KeyError(
                which.key if which.revision is None else f"{which.key} r{which.revision}"
            )
        return self._drafted(which.model_copy(update={"text": text}))

    def _drafted(self, which: Which) -> list[Watch]:
        profiles = self._parts.settings.catalog_folder() / "profiles"
        try:
            found = rules.drafted(which.text, self._parts.rules, profiles)
        except ConfigError as error:
            facts = {"where": error.where, "what": error.what, "fix": error.fix, "line": error.line}
            raise NotPossible("backtest.draft", **facts) from error
        keys = sorted({watch.rule.key for watch in found})
        if which.key:
            found = [watch for watch in found if watch.rule.key == which.key]
        elif len(keys) > 1:
            raise NotPossible("backtest.several", keys=keys)
        return _some(found, which.key)


def _some(found: list[Watch], key: str) -> list[Watch]:
    if not found:
        raise NotPossible("backtest.nowhere", rule=key or "?")
    return found


def _small_enough(found: Sequence[Watch], period: Period) -> None:
    if len(found) > MOST_POINTS:
        raise NotPossible("backtest.too-many-points", most=MOST_POINTS, found=len(found))
    many = round(sum(len(points(watch)) for watch in found) * period.days)
    if many > MOST_POINT_DAYS:
        raise NotPossible("server.too-many-days", most=MOST_POINT_DAYS, found=many)
