from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.drivers.gb26875.v2011 import data
from edge.drivers.gb26875.v2011.data import Operation, State, Value
from edge.drivers.gb26875.v2011.frame import Bad, Command, Frame, Frames, encoded, stamp, when
from simulators import gb26875

# The vectors of the notes on the standard: a smoke detector that rings, and its confirm.
RINGS = bytes.fromhex(
    "4040070001001f0f08170b1a010000000000000000000000300002020101012a05020000030033b2e3d7dfc0c8d1cc"
    "b8d000000000000000000000000000000000000000001e0f08170b1a822323"
)
CONFIRM = bytes.fromhex("4040070001001f0f08170b1a0000000000000100000000000000037e2323")
SOURCE = bytes.fromhex("010000000000")

octets = st.binary(min_size=6, max_size=6)
frames = st.builds(
    Frame,
    st.integers(0, 65535), st.integers(0, 255), octets, octets,
    st.binary(max_size=200), octets, st.binary(min_size=2, max_size=2),
)  # fmt: skip


def good(found: list[Frame | Bad]) -> list[Frame]:
    return [each for each in found if isinstance(each, Frame)]


def test_the_golden_detector_frame_is_read() -> None:
    (frame,) = Frames().feed(RINGS)
    assert isinstance(frame, Frame)
    assert (frame.serial, frame.command, frame.source) == (7, Command.SEND, SOURCE)
    assert when(frame.time, UTC) == datetime(2026, 11, 23, 8, 15, 31, tzinfo=UTC)
    told = data.decoded(frame.data)
    time = bytes.fromhex("1e0f08170b1a")
    assert told.items == (State(1, 1, 42, 0x205, 0b11, "3层走廊烟感", time),)
    assert (told.odd, told.items[0].word) == ("", data.FIRE)
    assert encoded(frame) == RINGS


def test_the_golden_confirm_is_written() -> None:
    at = bytes.fromhex("1f0f08170b1a")
    assert encoded(Frame(7, Command.CONFIRM, bytes(6), SOURCE, b"", at)) == CONFIRM
    noon = datetime(2026, 11, 23, 8, 15, 31, tzinfo=UTC)
    assert gb26875.frame(7, gb26875.CONFIRM, noon, source=bytes(6), to=SOURCE) == CONFIRM


@given(frames)
def test_a_frame_is_read_as_it_was_written(frame: Frame) -> None:
    frames = Frames()
    assert frames.feed(encoded(frame)) == [frame]
    assert frames.skipped == 0


@given(st.binary(max_size=3000), st.lists(st.integers(1, 400), max_size=20))
@example(b"@@" * 2000, [1] * 20)
def test_no_bytes_are_fatal_and_few_are_held(stream: bytes, cuts: list[int]) -> None:
    frames = Frames()
    for cut in cuts:
        frames.feed(stream[:cut])
        stream = stream[cut:]
    for each in frames.feed(stream):
        data.decoded(each.head.data if isinstance(each, Bad) else each.data)
    assert len(frames._held) <= 1054  # noqa: SLF001 - the bound is the promise


@given(st.binary(max_size=600))
def test_no_data_is_fatal(octets: bytes) -> None:
    told = data.decoded(octets)
    assert all(isinstance(each, State | Value | Operation | data.Note) for each in told.items)


noise = st.binary(max_size=80) | st.binary(max_size=30).map(lambda each: b"@@" + each + b"@")


@given(noise, frames, noise, frames, st.integers(1, 60))
def test_good_frames_are_found_within_noise(
    before: bytes, first: Frame, between: bytes, second: Frame, chunk: int
) -> None:
    stream = before + encoded(first) + between + encoded(second)
    frames, found = Frames(), []
    for start in range(0, len(stream), chunk):
        found += good(frames.feed(stream[start : start + chunk]))
    assert found[-2:] == [first, second]


@pytest.mark.parametrize(
    ("at", "with_", "why"),
    [
        pytest.param(40, 0xFF, "checksum", id="a flipped byte"),
        pytest.param(-1, 0x24, "end", id="no end"),
        pytest.param(25, 0x05, "length", id="longer than a frame can be"),
    ],
)
def test_a_broken_frame_is_told_and_the_next_one_taken(at: int, with_: int, why: str) -> None:
    broken = bytearray(RINGS)
    broken[at] = with_
    bad, *rest = Frames().feed(bytes(broken) + CONFIRM)
    assert isinstance(bad, Bad)
    assert (bad.why, bad.head.serial, bad.head.source) == (why, 7, SOURCE)
    assert [each.command for each in good(rest)] == [Command.CONFIRM]


def test_a_chance_start_does_not_hold_up_the_frame_behind_it() -> None:
    chance = b"@@" + bytes(22) + (1000).to_bytes(2, "little") + b"\x02"
    frames = Frames()
    assert good(frames.feed(chance + RINGS)) == Frames().feed(RINGS)
    assert frames.skipped == len(chance)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds of the strategy are naive
def test_times_go_both_ways_to_the_second(at: datetime) -> None:
    assert when(stamp(at), UTC) == at.replace(microsecond=0)


def test_a_time_that_is_none_is_none() -> None:
    assert when(bytes(6), UTC) is None


def test_more_data_than_a_frame_has_is_refused() -> None:
    with pytest.raises(ValueError, match="1025 bytes"):
        encoded(Frame(0, 2, SOURCE, SOURCE, bytes(1025)))
