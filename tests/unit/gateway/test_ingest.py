from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingest import Ingest, ranges
from tests.fakes import FixedClock
from tests.fakes_bus import FakeBus
from tests.fakes_history import MemoryHistory
from watchkeeper import wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.errors import Unreachable
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality
from watchkeeper.settings import HistorySettings

CLOCK = FixedClock()
NOW = unix_ms(CLOCK.now())
POINTS = [
    wire.BornPoint(alias, f"main-{alias}/active_power", "float32", "W", "telemetry")
    for alias in range(5)
]
HASH = wire.birth_hash(POINTS)
UP = "wk/1/riverside/plant-b1/up"


class Rig:
    """An ingest between a fake bus and a memory."""

    def __init__(self) -> None:
        self.bus, self.history, self.clock = FakeBus(), MemoryHistory(), FixedClock()
        self.ingest = Ingest(self.history, self.bus.publish, self.clock)

    def born(self, points: list[wire.BornPoint] = POINTS, lane: str = "birth/0") -> None:
        for birth in wire.births(points, boot="b", software="1", config="c"):
            self.ingest.take(f"{UP}/{lane}", wire.encode(birth))

    def acks(self, edge: str = "plant-b1") -> list[wire.Ack]:
        return [
            wire.decode_ack(payload)
            for topic, payload, _ in self.bus.published
            if topic == f"wk/1/riverside/{edge}/down/ack"
        ]

    def stored(self, point: int) -> list[float]:
        return self.history.raw(PointId(f"main-{point}/active_power"), 0, 2 * NOW).value.tolist()


@pytest.fixture
def rig() -> Rig:
    return Rig()


def data(
    sequence: int,
    *rows: tuple[int, int, float] | tuple[int, int, float, int],
    birth: str = HASH,
    journal: str = "J",
) -> bytes:
    """Return a message of rows (alias, time, value[, quality])."""
    full = [row if len(row) == 4 else (*row, 0) for row in rows]
    alias, at, value, quality = (list(column) for column in zip(*full, strict=True))
    batch = Batch(
        np.array(alias, np.uint32),
        np.array(at),
        np.array(value, float),
        np.array(quality, np.uint8),
    )
    return wire.encode(
        wire.data(
            batch, journal=journal, sequence=sequence, birth=birth, mode="live", synchronised=True
        )
    )


@pytest.mark.serves("A6")
def test_what_is_acknowledged_is_stored(rig: Rig) -> None:
    rig.born()
    rig.ingest.take(f"{UP}/data", data(1, (0, NOW, 1.5), (3, NOW + 1, 2.5)))
    assert rig.acks() == []
    rig.ingest.commit()
    assert rig.acks() == [wire.Ack("data", "J", [(1, 1)])]
    assert (rig.stored(0), rig.stored(3)) == ([1.5], [2.5])


def test_one_commit_is_one_write_and_one_ack_a_journal(rig: Rig) -> None:
    rig.born()
    for sequence in (3, 1, 2, 7, 7):
        rig.ingest.take(f"{UP}/data", data(sequence, (0, NOW + sequence, 1.0)))
    rig.ingest.take(f"{UP}/data", data(9, (1, NOW, 1.0), journal="K"))
    rig.ingest.commit()
    assert rig.history.writes == 1
    assert sorted(rig.acks(), key=lambda ack: ack.journal) == [
        wire.Ack("data", "J", [(1, 3), (7, 7)]),
        wire.Ack("data", "K", [(9, 9)]),
    ]


@pytest.mark.serves("A6")
def test_a_store_that_is_away_means_no_acknowledgement(rig: Rig) -> None:
    rig.born()
    rig.ingest.take(f"{UP}/data", data(1, (0, NOW, 1.5)))
    rig.history.away = True
    with pytest.raises(Unreachable):
        rig.ingest.commit()
    assert rig.acks() == []
    rig.history.away = False
    rig.ingest.commit()
    assert rig.acks() == [wire.Ack("data", "J", [(1, 1)])]
    assert rig.stored(0) == [1.5]


def test_a_batch_waits_untaken_while_the_store_cannot_number_its_points(rig: Rig) -> None:
    rig.born()
    rig.history.away = True
    with pytest.raises(Unreachable):
        rig.ingest.take(f"{UP}/data", data(1, (0, NOW, 1.5)))
    rig.history.away = False
    rig.ingest.take(f"{UP}/data", data(1, (0, NOW, 1.5)))
    rig.ingest.commit()
    assert rig.stored(0) == [1.5]


def test_an_unknown_birth_is_asked_for_and_nothing_is_guessed(rig: Rig) -> None:
    rig.born(POINTS[:2])
    rig.ingest.take(f"{UP}/data", data(1, (0, NOW, 1.5)))
    rig.ingest.take(f"{UP}/data", data(2, (0, NOW, 1.5)))
    rig.ingest.commit()
    assert rig.bus.sent("plant-b1/down/birth") == [b'{"h":"' + HASH.encode() + b'"}']
    assert rig.acks() == []
    rig.clock.pass_(6)
    rig.ingest.take(f"{UP}/data", data(1, (0, NOW, 1.5)))
    assert len(rig.bus.sent("down/birth")) == 2
    rig.born(lane="oldbirth")
    rig.ingest.take(f"{UP}/data", data(1, (0, NOW, 1.5)))
    rig.ingest.commit()
    assert rig.acks() == [wire.Ack("data", "J", [(1, 1)])]
    assert rig.stored(0) == [1.5]


def test_a_birth_explains_only_its_own_edge(rig: Rig) -> None:
    rig.born()
    rig.ingest.take("wk/1/riverside/plant-b2/up/data", data(1, (0, NOW, 1.5)))
    rig.ingest.commit()
    assert rig.acks("plant-b2") == []
    assert len(rig.bus.sent("plant-b2/down/birth")) == 1


def test_a_birth_in_parts_counts_when_all_are_there(rig: Rig) -> None:
    points = [
        wire.BornPoint(n, f"main-{n}/active_power", "float32", "W", "telemetry")
        for n in range(3000)
    ]
    births = list(wire.births(points, boot="b", software="1", config="c"))
    assert len(births) > 1
    message = data(1, (2999, NOW, 4.0), birth=births[0].hash)
    for birth in births[1:]:
        rig.ingest.take(f"{UP}/birth/{birth.part}", wire.encode(birth))
    rig.ingest.take(f"{UP}/data", message)
    rig.ingest.commit()
    assert rig.acks() == []
    rig.ingest.take(f"{UP}/birth/0", wire.encode(births[0]))
    rig.ingest.take(f"{UP}/data", message)
    rig.ingest.commit()
    assert rig.acks() == [wire.Ack("data", "J", [(1, 1)])]
    assert rig.stored(2999) == [4.0]


@pytest.mark.serves("B4")
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param((99, NOW, 1.0), "alias", id="an alias the birth does not name"),
        pytest.param((1, NOW + 5 * 60_000 + 1, 1.0), "time", id="more than 5 min ahead"),
        pytest.param((1, 0, 1.0), "time", id="a clock reset to 1970"),
    ],
)
def test_a_bad_reading_is_put_aside_and_its_batch_stored(
    rig: Rig, row: tuple[int, int, float], reason: str
) -> None:
    rig.born()
    rig.ingest.take(f"{UP}/data", data(1, (0, NOW, 1.5), row, (2, NOW, 2.5)))
    rig.ingest.commit()
    assert rig.acks() == [wire.Ack("data", "J", [(1, 1)])]
    assert (rig.stored(0), rig.stored(1), rig.stored(2)) == ([1.5], [], [2.5])
    (aside,) = rig.history.quarantined()
    assert (aside.origin, aside.reason, aside.at) == ("riverside/plant-b1", reason, NOW)
    assert wire.decode_aside(aside.payload) == wire.Aside("J", 1, HASH, [[row[0], row[1], 1.0, 0]])
    assert aside.readings == 1


POISON = [
    pytest.param(b'"y":[1.5,"%s",2.5]' % (b"x" * 500_000), "type", id="a huge text for a value"),
    pytest.param(b'"y":[1.5,true,2.5]', "type", id="a truth for a value"),
    pytest.param(b'"y":[1.5,{"a":[1]},2.5]', "type", id="an object for a value"),
    pytest.param(b'"y":[1.5,null,2.5]', "type", id="nothing for a value"),
    pytest.param(b'"y":[1.5,NaN,2.5]', "value", id="not a number"),
    pytest.param(b'"y":[1.5,-Infinity,2.5]', "value", id="infinite"),
    pytest.param(b'"y":[1.5,1%s,2.5]' % (b"0" * 400), "value", id="more than a float holds"),
    pytest.param(b'"a":[0,"main",2]', "alias", id="a name for an alias"),
    pytest.param(b'"a":[0,-7,2]', "alias", id="a negative alias"),
    pytest.param(b'"a":[0,1.0,2]', "alias", id="half an alias"),
    pytest.param(b'"d":[0,"later",0]', "time", id="a text for a time"),
    pytest.param(b'"d":[0,9000000000000000000,0]', "time", id="beyond all time"),
    pytest.param(b'"x":[[1,999]]', "quality", id="a quality there is not"),
    pytest.param(b'"x":[[1,"good"]]', "quality", id="a word for a quality"),
]


@pytest.mark.serves("B4")
@pytest.mark.parametrize(("poison", "reason"), POISON)
def test_a_reading_of_nonsense_costs_its_batch_nothing(
    rig: Rig, poison: bytes, reason: str
) -> None:
    rig.born()
    plain = data(1, (0, NOW, 1.5), (1, NOW, 7.0), (2, NOW, 2.5))
    start = plain.index(poison[:4])
    end = plain.index(b"]]" if plain[start:].startswith(b'"x":[[') else b"]", start)
    message = plain[:start] + poison + plain[end + 1 :]

    for _ in range(2):  # the second time it is not put aside again
        rig.ingest.take(f"{UP}/data", message)
        rig.ingest.commit()

    assert rig.acks() == 2 * [wire.Ack("data", "J", [(1, 1)])]
    assert (rig.stored(0), rig.stored(1), rig.stored(2)) == ([1.5], [], [2.5])
    (aside,) = rig.history.quarantined()
    assert (aside.reason, aside.readings) == (reason, 1)
    assert len(aside.payload) < 2_000
    assert len(wire.decode_aside(aside.payload).readings) == 1


def test_a_number_too_large_for_a_float_is_put_aside(rig: Rig) -> None:
    rig.born()
    message = data(1, (0, NOW, 1.5), (1, NOW, 7.0)).replace(b"7.0", b"1e999")
    rig.ingest.take(f"{UP}/data", message)
    rig.ingest.commit()
    assert len(rig.history.quarantined()) == 1
    assert rig.stored(1) == []


def test_bad_readings_are_stored_as_bad(rig: Rig) -> None:
    rig.born()
    rig.ingest.take(f"{UP}/data", data(1, (0, NOW, float("nan"), Quality.NO_ANSWER)))
    rig.ingest.commit()
    latest = rig.history.latest([PointId("main-0/active_power")])
    assert [reading.quality for reading in latest.values()] == [Quality.NO_ANSWER]
    assert rig.history.quarantined() == []


@pytest.mark.serves("A6")
def test_a_gap_an_edge_tells_of_is_put_aside_and_acknowledged(rig: Rig) -> None:
    gap = wire.encode(wire.Gap("j1", 7, HASH, "back", (NOW - 9_000, NOW - 1_000, 4_200)))

    rig.ingest.take(f"{UP}/data", gap)
    rig.ingest.commit()

    (aside,) = rig.history.quarantined()
    assert (aside.reason, aside.payload) == ("gap", gap)
    assert [(ack.ok, ack.bad) for ack in rig.acks()] == [([(7, 7)], [])]
    assert (rig.ingest.counts["quarantined"], rig.ingest.counts["refused"]) == (4_200, 0)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(data(4, (0, NOW, 1.0)).replace(b'"y":[1.0]', b'"y":[1.0,2.0]'), id="columns"),
        pytest.param(data(4, (0, NOW, 1.0)).replace(b'"v":1', b'"v":2'), id="another version"),
        pytest.param(data(4, (0, NOW, 1.0)).replace(b'"a":[0]', b'"a":0'), id="no columns"),
        pytest.param(data(4, (0, NOW, 1.0)).replace(b'"x":[]', b'"x":[[7,1]]'), id="no reading"),
        pytest.param(data(4, (0, NOW, 1.0)).replace(b'"x":[]', b'"x":[[0]]'), id="half a quality"),
        pytest.param(data(4, (0, NOW, 1.0)).replace(b'"m":"live"', b'"m":"dead"'), id="mode"),
        pytest.param(b'{"j":"J","q":4}', id="nothing in it"),
        pytest.param(b'{"j":"J","q":4,"h":"x","m":"live","t":1780315200000,"c":1,"a":[0', id="cut"),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused_and_put_aside(rig: Rig, payload: bytes) -> None:
    rig.born()
    rig.ingest.take(f"{UP}/data", payload)
    rig.ingest.commit()
    assert rig.acks() == [wire.Ack("data", "J", [], [(4, "unreadable")])]
    assert [item.payload for item in rig.history.quarantined()] == [payload]


def test_an_unreadable_batch_that_comes_again_as_backlog_is_put_aside_once(rig: Rig) -> None:
    for mode in (b"live", b"back"):
        rig.ingest.take(f"{UP}/data", b'{"j":"J","q":4,"h":"x","m":"%s","t":17803' % mode)
        rig.ingest.commit()
    assert len(rig.history.quarantined()) == 1


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"null", b'{"j":7}'])
def test_a_batch_that_does_not_say_which_it_is_is_only_put_aside(rig: Rig, payload: bytes) -> None:
    rig.born()
    rig.ingest.take(f"{UP}/data", payload)
    rig.ingest.take(f"{UP}/data", data(5, (0, NOW, 1.0)))
    rig.ingest.commit()
    assert rig.acks() == [wire.Ack("data", "J", [(5, 5)])]
    assert [item.reason for item in rig.history.quarantined()] == ["unreadable"]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="cleared"),
        pytest.param(b"{}", id="unreadable"),
        pytest.param(
            wire.encode(
                wire.Birth(
                    "b", HASH, 0, 1, "1", "c", [wire.BornPoint(2**40, "x/y", "bool", "", "fault")]
                )
            ),
            id="an absurd alias",
        ),
    ],
)
def test_a_birth_that_makes_no_sense_explains_nothing(rig: Rig, payload: bytes) -> None:
    rig.ingest.take(f"{UP}/birth/0", payload)
    rig.ingest.take(f"{UP}/data", data(1, (0, NOW, 1.0)))
    rig.ingest.commit()
    assert rig.acks() == []


def test_a_point_of_a_new_birth_keeps_its_history(rig: Rig) -> None:
    rig.born()
    rig.ingest.take(f"{UP}/data", data(1, (1, NOW, 1.0)))
    moved = [wire.BornPoint(0, "main-1/active_power", "float32", "W", "telemetry")]
    rig.born(moved)
    message = data(2, (0, NOW + 1, 2.0), birth=wire.birth_hash(moved))
    rig.ingest.take(f"{UP}/data", message)
    rig.ingest.commit()
    assert rig.stored(1) == [1.0, 2.0]


def test_topics_that_are_not_ours_are_left_alone(rig: Rig) -> None:
    rig.ingest.take("some/other/topic", b"x")
    rig.ingest.take(f"{UP}/state", b"x")
    rig.ingest.commit()
    assert rig.bus.published == []


@given(st.lists(st.integers(0, 60)))
def test_ranges_name_exactly_the_numbers(numbers: list[int]) -> None:
    found = ranges(numbers)
    named = [number for first, last in found for number in range(first, last + 1)]
    assert named == sorted(set(numbers))
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(found))


def test_readings_just_inside_the_limits_are_stored(rig: Rig) -> None:
    rig.born()
    old = unix_ms(rig.clock.now() - timedelta(days=5 * 366))
    rig.ingest.take(f"{UP}/data", data(1, (0, old, 1.0), (0, NOW + 5 * 60_000, 2.0)))
    rig.ingest.commit()
    assert rig.stored(0) == [1.0, 2.0]


@pytest.mark.serves("B4")
def test_what_is_older_than_what_is_kept_is_put_aside_and_the_rest_stored() -> None:
    points = [POINTS[0], wire.BornPoint(1, "pump-1/running", "bool", "", "telemetry")]
    rig = Rig()
    kept = HistorySettings(keep_telemetry_days=90, keep_events_days=400)
    rig.ingest = Ingest(rig.history, rig.bus.publish, rig.clock, kept)
    rig.born(points)
    day = 86_400_000
    rows = [(alias, NOW - days * day, 1.0) for alias in (0, 1) for days in (1, 91, 401)]
    rig.ingest.take(f"{UP}/data", data(1, *rows, birth=wire.birth_hash(points)))
    rig.ingest.commit()
    assert rig.acks() == [wire.Ack("data", "J", [(1, 1)])]
    (aside,) = rig.history.quarantined()
    assert (aside.reason, aside.readings) == ("retention", 3)
    assert len(rig.stored(0)) == 1
    assert len(rig.history.raw(PointId("pump-1/running"), 0, NOW).at) == 2
    assert not rig.ingest.again(aside)
