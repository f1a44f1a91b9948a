"""Acknowledgements of the event lane: exactly what a commit held, in as few messages as it can."""

from collections.abc import Iterable
from threading import Lock

from watchkeeper import topics, wire
from watchkeeper.bus import Bus
from watchkeeper.ids import EdgeId


class Acks:
    """Collects on the writer's thread, told at the end of each commit."""

    def __init__(self, site: str, bus: Bus) -> None:
        self._site, self._bus = site, bus
        self._ok: dict[tuple[EdgeId, str], list[int]] = {}
        self._bad: dict[tuple[EdgeId, str], list[tuple[int, str]]] = {}
        self._lock = Lock()

    def ok(self, edge: EdgeId, journal: str, sequence: int) -> None:
        """Note a committed event; told by the next `flush`."""
        with self._lock:
            self._ok.setdefault((edge, journal), []).append(sequence)

    def bad(self, edge: EdgeId, journal: str, sequence: int, why: str) -> None:
        """Say at once that an event cannot be read, so that it is not sent for ever."""
        with self._lock:
            self._bad.setdefault((edge, journal), []).append((sequence, why))
        self.flush()

    def flush(self) -> None:
        """Tell each edge what is committed; what it does not hear it sends again."""
        with self._lock:
            ok, bad = self._ok, self._bad
            self._ok, self._bad = {}, {}
        for edge, journal in ok.keys() | bad.keys():
            ranges = merged(ok.get((edge, journal), []))
            ack = wire.Ack("event", journal, ranges, bad.get((edge, journal), []))
            self._bus.publish(topics.down(self._site, edge, "ack"), wire.encode(ack))


def merged(sequences: Iterable[int]) -> list[tuple[int, int]]:
    """Return the numbers as [from, to] ranges, both inclusive, ascending."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(sequences)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
