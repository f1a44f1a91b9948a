"""Gateway, store and API never give a better quality than the edge sent; nor a value to none."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.history.embedded import EmbeddedHistory
from gateway.ingest import Ingest
from server.latest import Latest
from tests.contract.test_history import Sealed
from tests.fakes import FixedClock
from tests.fakes_bus import FakeBus
from tests.fakes_history import MemoryHistory
from tests.unit.server.emergency.cast import CATALOG
from watchkeeper import site, topics, wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.history import History
from watchkeeper.quality import Quality, is_bad, is_good, third

PLANT = site.load(CATALOG / "sites/riverside-plaza.yaml", CATALOG / "profiles")
POINTS = PLANT.points()[:3]
BORN = site.born(POINTS)
HASH = wire.birth_hash(BORN)
CLOCK = FixedClock()
NOW = unix_ms(CLOCK.now())
CODES = st.one_of(st.sampled_from([int(each) for each in Quality]), st.integers(0, 255))
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 50), st.floats(-1e9, 1e9), CODES),
    min_size=1, max_size=30, unique_by=lambda row: (row[0], row[1]),
)  # fmt: skip
Row = tuple[int, int, float, int]


def batch(rows: list[Row]) -> Batch:
    alias, at, value, quality = zip(*sorted(rows, key=lambda row: row[1]), strict=True)
    codes = np.array(quality, np.uint8)
    values = np.where(codes >= Quality.BAD, np.nan, np.array(value))
    return Batch(np.array(alias, np.uint32), np.array(at, np.int64) + NOW, values, codes)


def stored(rows: list[Row], history: History) -> dict[tuple[int, int], tuple[float, int]]:
    """Return what the store gives of what a gateway took from an edge."""
    bus = FakeBus()
    ingest = Ingest(history, bus.publish, CLOCK)
    for birth in wire.births(BORN, boot="b", software="1", config="c"):
        ingest.take(topics.up("riverside", "plant-b1", "birth/0"), wire.encode(birth))
    message = wire.data(
        batch(rows), journal="j", sequence=1, birth=HASH, mode="live", synchronised=True
    )
    ingest.take(topics.up("riverside", "plant-b1", "data"), wire.encode(message))
    ingest.commit()
    found: dict[tuple[int, int], tuple[float, int]] = {}
    for alias, point in enumerate(POINTS):
        track = history.raw(point.id, NOW, NOW + 1000)
        for at, value, code in zip(*(each.tolist() for each in track), strict=True):
            found[alias, at - NOW] = (value, code)
        counts = history.buckets(point.id, NOW, NOW + 1000, 1000).counts
        assert counts.sum() == sum(is_good(code) for a, _, _, code in rows if a == alias)
    return found


def checked(rows: list[Row], history: History) -> None:
    found = stored(rows, history)
    assert {key: code for key, (_, code) in found.items()} == {
        (alias, at): code for alias, at, _, code in rows
    }
    assert all(np.isnan(value) == is_bad(code) for value, code in found.values())


@given(ROWS)
@pytest.mark.serves("A4")
def test_a_store_in_memory_gives_back_what_the_edge_sent(rows: list[Row]) -> None:
    checked(rows, MemoryHistory())


@given(ROWS, st.booleans())
@settings(max_examples=25, deadline=None)
@pytest.mark.serves("A4")
def test_the_embedded_store_gives_back_what_the_edge_sent(rows: list[Row], sealed: bool) -> None:  # noqa: FBT001 - a case
    with TemporaryDirectory() as folder:
        history = (Sealed if sealed else EmbeddedHistory)(
            Path(folder) / "h.db", clock=CLOCK, writable=True
        )
        try:
            checked(rows, history)
        finally:
            history.close()


@given(ROWS, st.lists(st.sampled_from(["sweep", "lost", "there", "heard", "wait"]), max_size=8))
@pytest.mark.serves("A4")
def test_the_newest_value_is_never_shown_better_than_it_came(
    rows: list[Row], after: list[str]
) -> None:
    latest, edge = Latest(PLANT, NOW), PLANT.site.edges[0]
    latest.take(batch(rows), NOW)
    now = NOW
    for what in after:
        now += 40_000 if what == "wait" else 0
        if what == "sweep":
            latest.sweep(now)
        elif what == "heard":
            latest.hear(edge.id, {POINTS[0].unit.id: 0.5}, now)
        elif what != "wait":
            latest.cut(edge.id, lost=what == "lost")
    newest = {alias: (at, code) for alias, at, _, code in sorted(rows, key=lambda row: row[1])}
    for alias, (_, sent) in newest.items():
        (shown,) = latest.show([POINTS[alias].id])
        assert shown["quality"] == (Quality.STALE if shown["stale"] else sent)
        assert third(shown["quality"]) >= third(sent)
        assert (shown["value"] is None) == is_bad(shown["quality"])
