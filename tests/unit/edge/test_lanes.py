import numpy as np
import pytest

from edge.lanes import Watched, lane_of, new_id
from watchkeeper.documents import Text
from watchkeeper.profile import Point, Word
from watchkeeper.quality import Quality
from watchkeeper.wire import Event

WORDS = [Word(0, Text("正常", "Normal")), Word(1, Text("火警", "Fire"), normal=False)]
NAN = float("nan")


def point(kind: str, **more: object) -> Point:
    return Point("p", Text("", ""), 0, "uint16", point_class=kind, **more)  # type: ignore[arg-type]


def events(*seen: tuple[float, int], kind: str = "life_safety") -> list[list[Event]]:
    watched = Watched([point("telemetry"), point(kind, words=WORDS)], [7, 8])
    ids = iter(range(100))
    return [
        watched(
            1000 * n,
            np.array([n, value]),
            np.array([0, quality], np.uint8),
            lambda *_: str(next(ids)),
        )
        for n, (value, quality) in enumerate(seen)
    ]


@pytest.mark.serves("A7")
def test_only_life_safety_and_faults_take_the_event_lane() -> None:
    assert [lane_of(kind) for kind in ("life_safety", "fault", "telemetry")] == [
        "event",
        "event",
        "data",
    ]


@pytest.mark.serves("A7")
def test_a_change_is_an_event_with_what_it_was_and_is() -> None:
    first, second, third = events((0, 0), (1, 0), (1, 0))

    assert (first, third) == ([], [])
    (event,) = second
    assert (event.before, event.after, event.quality, event.alias) == (0, 1, 0, 8)
    assert (event.kind, event.at) == ("life_safety", 1000)


def test_becoming_unknown_is_an_event_and_staying_so_is_not() -> None:
    _, lost, still, back = events((0, 0), (NAN, 129), (NAN, 129), (0, 0))

    assert [(event.before, event.after) for event in lost] == [(0, None)]
    assert lost[0].quality == Quality.NO_ANSWER
    assert still == []
    assert [(event.before, event.after) for event in back] == [(None, 0)]


@pytest.mark.parametrize(("value", "quality", "count"), [(0, 0, 0), (1, 0, 1), (NAN, 129, 1)])
def test_a_first_value_is_an_event_only_where_it_is_abnormal(
    value: float, quality: int, count: int
) -> None:
    (first,) = events((value, quality))

    assert len(first) == count
    assert all(event.before is None for event in first)


def test_a_snapshot_holds_what_has_been_read() -> None:
    watched = Watched([point("fault"), point("life_safety")], [3, 4])
    assert watched.now("life_safety") == []

    watched(0, np.array([1.0, NAN]), np.array([0, 129], np.uint8), lambda *_: "id")

    assert watched.now("life_safety") == [(4, None, 129)]
    assert watched.now("fault") == [(3, 1.0, 0)]


def test_ids_sort_by_the_instant_of_the_change() -> None:
    name = new_id(lambda: 1 << 73)

    assert name(1_780_000_000_000, "fault") < name(1_780_000_000_001, "fault")
