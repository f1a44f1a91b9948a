"""What the aliases of an edge stand for: births by their hash, as slots of `Latest`."""

from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from server.latest import Latest, Positions
from watchkeeper import topics, wire
from watchkeeper.clock import Clock
from watchkeeper.ids import EdgeId, PointId
from watchkeeper.wire import Birth, BornPoint

KEPT = 20  # hashes an edge: the current one and those its backlog still refers to
ASK_AGAIN_S = 5.0

Publish = Callable[[str, bytes], object]


class Births:
    """Used by one thread of the bus."""

    def __init__(self, site: str, latest: Latest, publish: Publish, clock: Clock) -> None:
        """`publish` asks an edge for the birth of a hash that is not known."""
        self._site, self._latest, self._publish, self._clock = site, latest, publish, clock
        self._parts: dict[tuple[EdgeId, str], dict[int, Birth]] = {}
        self._known: dict[EdgeId, OrderedDict[str, Positions]] = {}
        self._asked: dict[tuple[EdgeId, str], float] = {}

    def take(self, edge: EdgeId, birth: Birth) -> bool:
        """Keep a part of a birth; True once its last part has come."""
        parts = self._parts.setdefault((edge, birth.hash), {})
        parts[birth.part] = birth
        if len(parts) < birth.parts:
            return False
        del self._parts[edge, birth.hash]
        known = self._known.setdefault(edge, OrderedDict())
        known[birth.hash] = self._slots([p for part in parts.values() for p in part.points])
        known.move_to_end(birth.hash)
        if len(known) > KEPT:
            known.popitem(last=False)
        return True

    def of(self, edge: EdgeId, name: str) -> Positions | None:
        """Return the slot of each alias; None when the hash is not known, and the edge is asked."""
        known = self._known.get(edge)
        found = known.get(name) if known else None
        if found is None:
            self._ask(edge, name)
        return found

    def points(self, edge: EdgeId, name: str) -> dict[int, PointId] | None:
        """Return the point of each alias, for people; as `of`, from any thread."""
        slots = self.of(edge, name)
        if slots is None:
            return None
        names, nobody = self._latest.names, self._latest.nobody
        return {alias: names[slot] for alias, slot in enumerate(slots.tolist()) if slot != nobody}

    def _slots(self, points: list[BornPoint]) -> Positions:
        most = max((point.alias for point in points), default=-1)
        slots = np.full(most + 1, self._latest.nobody, np.intp)
        for point in points:
            slots[point.alias] = self._latest.index.get(PointId(point.point), self._latest.nobody)
        return slots

    def _ask(self, edge: EdgeId, name: str) -> None:
        now = self._clock.tick()
        if now - self._asked.get((edge, name), -ASK_AGAIN_S) >= ASK_AGAIN_S:
            self._asked[edge, name] = now
            topic = topics.down(self._site, edge, "birth")
            self._publish(topic, wire.encode(wire.AskBirth(name)))
