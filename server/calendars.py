"""Calendars (catalog/calendars, schema wk.calendar/1): office hours, nights, in the site's time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Meta, Struct

from watchkeeper import documents
from watchkeeper.batch import Flags, Times
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.errors import ConfigError

SCHEMA = "wk.calendar/1"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Clocktime: TypeAlias = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Date: TypeAlias = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
DAY_MS = 86_400_000
AHEAD = 9  # days looked at for the next change


class Span(Struct, frozen=True, forbid_unknown_fields=True):
    """Hours of some days; until a time that is not later they reach into the next day."""

    days: list[Day]
    start: Clocktime
    end: Clocktime


class CalendarFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of catalog/calendars."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
    name: Text
    spans: list[Span]
    holidays: list[Date] = []  # no span begins on these
    workdays: list[Date] = []  # days off that are worked (调休): as a Monday


@dataclass(frozen=True, slots=True)
class Calendar:
    """When something is so, in the time of a site."""

    id: str
    zone: str
    week: tuple[tuple[tuple[int, int], ...], ...]  # Monday first: (start, end) minutes of the day
    holidays: frozenset[date] = frozenset()
    workdays: frozenset[date] = frozenset()

    def holds(self, at: int) -> bool:
        """Return whether it is so at an instant, Unix ms."""
        today = self._date(at)
        return any(
            start <= at < end
            for day in (today - timedelta(1), today)
            for start, end in _spans(self, day)
        )

    def until(self, at: int) -> int:
        """Return the next instant at which that may change; not more than some days ahead."""
        today = self._date(at)
        days = (today + timedelta(n) for n in range(-1, AHEAD))
        edges = (edge for day in days for span in _spans(self, day) for edge in span)
        return min((edge for edge in edges if edge > at), default=at + (AHEAD - 2) * DAY_MS)

    def mask(self, at: Times) -> Flags:
        """Return whether it is so at each of the instants, (n,), ascending."""
        if not len(at):
            return np.zeros(0, np.bool_)
        first, last = self._date(int(at[0])), self._date(int(at[-1]))
        days = (first + timedelta(n) for n in range(-1, (last - first).days + 1))
        spans = np.array([span for day in days for span in _spans(self, day)], np.int64)
        begun = np.searchsorted(np.sort(spans[:, 0]), at, "right") if len(spans) else np.zeros(1)
        ended = np.searchsorted(np.sort(spans[:, 1]), at, "right") if len(spans) else np.zeros(1)
        found: Flags = np.broadcast_to(begun > ended, at.shape)
        return found

    def _date(self, at: int) -> date:
        return datetime.fromtimestamp(at / 1000, ZoneInfo(self.zone)).date()


@lru_cache(4096)
def _spans(calendar: Calendar, day: date) -> tuple[tuple[int, int], ...]:
    """Return the spans that begin on a day, Unix ms."""
    if day in calendar.holidays:
        return ()
    number = 0 if day in calendar.workdays else day.weekday()
    zone = ZoneInfo(calendar.zone)
    return tuple(
        (_instant(day, start, zone), _instant(day, end, zone))
        for start, end in calendar.week[number]
    )


def _instant(day: date, minute: int, zone: ZoneInfo) -> int:
    days, rest = divmod(minute, 24 * 60)
    local = datetime.combine(day + timedelta(days), time(rest // 60, rest % 60), zone)
    return unix_ms(local.astimezone(UTC))


def load_file(path: Path, zone: str = "UTC") -> Calendar:
    """Return a calendar in a zone; ConfigError: file, line, field and what to do."""
    source = documents.opened(path, SCHEMA)
    found = documents.converted(source, CalendarFile)
    if found.id != path.stem:
        raise source.mistake(("id",), f"the file is called {path.stem}", "give both one name")
    return Calendar(
        found.id,
        zone,
        tuple(tuple(_hours(found.spans, day)) for day in DAYS),
        frozenset(_dates(found.holidays, source, "holidays")),
        frozenset(_dates(found.workdays, source, "workdays")),
    )


def load(folder: Path, zone: str) -> Mapping[str, Calendar]:
    """Return the calendars of a folder by name; none where there is no folder."""
    return {path.stem: load_file(path, zone) for path in sorted(folder.glob("*.yaml"))}


def _hours(spans: Iterable[Span], day: str) -> Iterator[tuple[int, int]]:
    for span in spans:
        if day in span.days:
            start, end = _minutes(span.start), _minutes(span.end)
            yield start, end if end > start else end + 24 * 60


def _minutes(written: str) -> int:
    hours, _, minutes = written.partition(":")
    return int(hours) * 60 + int(minutes)


def _dates(written: list[str], source: documents.Source, field: str) -> Iterator[date]:
    for number, each in enumerate(written):
        try:
            yield date.fromisoformat(each)
        except ValueError as error:
            raise _no_date(source, (field, number), each) from error


def _no_date(source: documents.Source, steps: tuple[str, int], each: str) -> ConfigError:
    return source.mistake(steps, f"{steps[0]}: {each} is no date", "write it as 2026-10-01")
