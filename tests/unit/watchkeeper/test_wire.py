import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper import topics, wire
from watchkeeper.batch import Batch
from watchkeeper.ids import sortable, uuid7
from watchkeeper.quality import is_bad
from watchkeeper.wire import BornPoint

readings = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1), st.integers(0, 3_600_000),
        st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 255),
    ),
    min_size=1, max_size=50,
)  # fmt: skip


@given(readings)
@pytest.mark.serves("B2")
def test_a_batch_survives_the_wire(rows: list[tuple[int, int, float, int]]) -> None:
    rows.sort(key=lambda row: row[1])
    series, at, value, quality = map(list, zip(*rows, strict=True))
    batch = Batch(
        np.array(series, np.uint32), np.array(at, np.int64) + 1_790_000_000_000,
        np.where(np.array(quality) >= 128, np.nan, np.array(value)), np.array(quality, np.uint8),
    )  # fmt: skip
    sent = wire.encode(
        wire.data(batch, journal="j", sequence=7, birth="h", mode="live", synchronised=True)
    )
    got = wire.columns(wire.decode_data(sent))
    assert got.series.tolist() == series
    assert got.at.tolist() == batch.at.tolist()
    assert got.quality.tolist() == quality
    np.testing.assert_array_equal(got.value, batch.value)


@given(st.binary(max_size=300))
def test_garbage_is_an_error_one_can_catch(payload: bytes) -> None:
    for decode in (wire.decode_data, wire.decode_event, wire.decode_birth, wire.decode_ack):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            decode(payload)


@pytest.mark.parametrize(
    "change",
    [{"what": "reset"}, {"minutes": 0}, {"minutes": 256}, {"minutes": 1.5}, {"unit": 3}],
)
def test_a_command_is_a_duty_check_or_nothing(change: dict[str, object]) -> None:
    whole = {"id": "cmd_1", "unit": "fire-panel", "what": "duty_check", "minutes": 255}
    command = wire.decode_command(wire.encode(whole))
    assert wire.decode_command(wire.encode(command)) == command
    assert b'"v":1' in wire.encode(command)
    with pytest.raises(msgspec.ValidationError):
        wire.decode_command(wire.encode(whole | change))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"d": [0]}, id="short column"),
        pytest.param({"x": [[9, 128]]}, id="quality of nothing"),
        pytest.param({"x": [[0, 300]]}, id="quality of two bytes"),
        pytest.param({"a": [-1, 2]}, id="negative alias"),
    ],
)
def test_columns_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    whole = {"v": 1, "j": "j", "q": 1, "h": "h", "m": "live", "t": 0, "c": 1,
             "a": [1, 2], "d": [0, 1], "y": [1.0, 2.0], "x": []}  # fmt: skip
    message = wire.decode_data(wire.encode(whole | change))
    with pytest.raises(ValueError, match=r".+"):
        wire.columns(message)


def test_a_long_birth_comes_in_parts_that_fit_every_broker() -> None:
    points = [
        BornPoint(n, f"unit-{n:05d}/point", "float32", "kWh", "telemetry") for n in range(5_000)
    ]
    parts = list(wire.births(points, boot="b", software="1", config="c"))
    assert [part.part for part in parts] == list(range(parts[0].parts))
    assert all(len(wire.encode(part)) < 64_000 for part in parts)
    assert [point for part in parts for point in part.points] == points
    assert {part.hash for part in parts} == {wire.birth_hash(points)}


def test_a_snapshot_and_an_event_share_a_topic() -> None:
    event = wire.Event("j", 1, "h", "id", "life_safety", 5, 1, 3, 0.0, 1.0, 0)
    snapshot = wire.Snapshot("h", 5, 1, "life_safety", [(3, 1.0, 0), (4, None, 129)])
    assert wire.decode_event(wire.encode(event)) == event
    assert wire.decode_event(wire.encode(snapshot)) == snapshot


@pytest.mark.parametrize(
    ("topic", "found"),
    [
        ("wk/1/s/e/up/data", topics.Up("s", topics.EdgeId("e"), "data", 0)),
        ("wk/1/s/e/up/birth/3", topics.Up("s", topics.EdgeId("e"), "birth", 3)),
        ("wk/1/s/e/up/birth", None),
        ("wk/1/s/e/up/birth/x", None),
        ("wk/1/s/e/down/ack", None),
        ("wk/2/s/e/up/data", None),
        ("", None),
    ],
)
def test_topics_are_taken_apart(topic: str, found: topics.Up | None) -> None:
    assert topics.parse_up(topic) == found


@given(st.integers(0, 2**48 - 2), st.integers(0, 2**80 - 1))
def test_ids_sort_by_time(at: int, chance: int) -> None:
    made = uuid7(at, chance)
    assert (made[14], made[19]) in {("7", mark) for mark in "89ab"}
    assert len(made) == 36
    assert uuid7(at, chance) < uuid7(at + 1, 0)
    assert sortable("alm", at, chance) < sortable("alm", at + 1, 0)


def test_a_quality_is_good_uncertain_or_bad() -> None:
    assert [is_bad(code) for code in (0, 63, 64, 127, 128, 255)] == [False] * 4 + [True] * 2
