"""What was put aside, taken apart for people: its readings as rows, or a short excerpt of it.

Whoever sent it may have written anything into it: texts are cut, and letters that no screen shows
are replaced, so that nothing here can move a terminal's cursor or turn a line around.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from watchkeeper import wire
from watchkeeper.history import History, Quarantined
from watchkeeper.ids import PointId

EXCERPT: Final = 200  # letters shown of what cannot be read
TEXT: Final = 80  # letters shown of a value that is a text
PAGE: Final = 500  # items of one look into the store
SCANNED: Final = 20_000  # items looked at for one answer, at most
LATE_MS: Final = 60_000  # gateways stamp with their own clocks: so far may the order be wrong
_COLUMNS: Final = 4  # alias, time, value, quality

# An edge and the hash of a birth -> point by alias; None: nobody here knows that birth.
Names: TypeAlias = Callable[[str, str], Mapping[int, PointId] | None]
Figure: TypeAlias = int | float | str | None


class Row(NamedTuple):
    """One reading as it came; a text where something makes no sense."""

    alias: Figure
    point: PointId | None  # None: the alias is not explained
    at: Figure  # Unix ms
    value: Figure
    quality: Figure


@dataclass(frozen=True, slots=True)
class Opened:
    """One item in readable form; it has rows or an excerpt."""

    item: Quarantined
    rows: list[Row]
    excerpt: str = ""  # of what cannot be read as rows
    gap: tuple[int, int] | None = None  # from and to, Unix ms: what an edge had to give up

    @property
    def edge(self) -> str:
        """Return "plant-b1" of "riverside/plant-b1"."""
        return edge_of(self.item)

    @property
    def reason(self) -> str:
        """Return the word alone: "store" of "store: partial write"."""
        return word_of(self.item)

    @property
    def why(self) -> str:
        """Return what the reason says beyond its word."""
        return shown(self.item.reason.partition(":")[2].strip(), EXCERPT)


@dataclass(slots=True)
class Count:
    """How much was put aside for one reason, from one edge."""

    reason: str
    edge: str
    items: int = 0
    readings: int = 0
    newest: int = 0  # Unix ms


class Page(NamedTuple):
    """Some of what was put aside, the newest first."""

    items: list[Quarantined]
    next: int | None  # ask with `before` of this for more; None: that is all


class Counted(NamedTuple):
    """What was put aside since an instant."""

    counts: list[Count]  # the most readings first
    whole: bool  # False: there is more than we looked at


def page(
    history: History, limit: int, before: int | None = None, *, reason: str = "", edge: str = ""
) -> Page:
    """Return the newest items that fit; empty texts fit all.

    Raises Unreachable: the store does not answer.
    """
    found: list[Quarantined] = []
    last = before
    for looked, item in enumerate(_newest_first(history, before), 1):
        fits = reason in {"", word_of(item)} and edge in {"", edge_of(item), item.origin}
        if fits and len(found) == limit:
            return Page(found, last)
        if fits:
            found.append(item)
        last = item.id
        if looked == SCANNED:
            return Page(found, last)
    return Page(found, None)


def find(history: History, number: int) -> Quarantined:
    """Return one item. Raises KeyError: there is none of this id. Unreachable: as `page`."""
    items = history.quarantined(1, before=number + 1)
    if not items or items[0].id != number:
        raise KeyError(number)
    return items[0]


def counted(history: History, since: int) -> Counted:
    """Return how much was put aside since an instant (Unix ms), by reason and edge.

    Raises Unreachable: the store does not answer.
    """
    counts: dict[tuple[str, str], Count] = {}
    whole = True
    for looked, item in enumerate(_newest_first(history, None), 1):
        whole = looked <= SCANNED
        if item.at < since - LATE_MS or not whole:
            break
        if item.at < since:
            continue
        key = word_of(item), edge_of(item)
        count = counts.setdefault(key, Count(*key))
        count.items += 1
        count.readings += item.readings
        count.newest = max(count.newest, item.at)
    by_size = sorted(counts.values(), key=lambda each: (-each.readings, -each.items, each.reason))
    return Counted(by_size, whole)


def opened(item: Quarantined, names: Names, rows: int = 100) -> Opened:
    """Return an item in readable form, at most so many rows of it."""
    try:
        aside = wire.decode_aside(item.payload)
    except msgspec.DecodeError:
        return _unread(item)
    points = names(edge_of(item), aside.birth) or {}
    return Opened(item, [_row(each, points) for each in islice(aside.readings, rows)])


def edge_of(item: Quarantined) -> str:
    """Return the edge it came from."""
    return shown(item.origin.rpartition("/")[2], TEXT)


def word_of(item: Quarantined) -> str:
    """Return the reason's word."""
    return shown(item.reason.partition(":")[0].strip(), TEXT)


def shown(text: str, most: int) -> str:
    """Return a text cut, with a dot for every letter that cannot be printed."""
    cut = "".join(each if each.isprintable() else "·" for each in text[:most])
    return f"{cut}…" if len(text) > most else cut


def _newest_first(history: History, before: int | None) -> Iterator[Quarantined]:
    while True:
        items = history.quarantined(PAGE, before=before)
        yield from items
        if len(items) < PAGE:
            return
        before = items[-1].id


def _unread(item: Quarantined) -> Opened:
    try:
        start, end, _ = wire.decode_gap(item.payload).gap
    except msgspec.DecodeError:
        text = item.payload[: 4 * EXCERPT].decode("utf-8", "replace")
        return Opened(item, [], shown(text, EXCERPT) or "·")
    return Opened(item, [], gap=(start, end))


def _row(said: list[Any], points: Mapping[int, PointId]) -> Row:
    """Return a reading; one of another shape stands as it came where its value would."""
    if len(said) != _COLUMNS:
        return Row(None, None, None, _figure(said), None)
    alias, at, value, quality = said
    known = points.get(alias) if isinstance(alias, int) else None
    return Row(_figure(alias), known, _figure(at), _figure(value), _figure(quality))


def _figure(value: Any) -> Figure:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    if isinstance(value, str):
        return shown(value, TEXT)
    return shown(msgspec.json.encode(value).decode(), TEXT)
