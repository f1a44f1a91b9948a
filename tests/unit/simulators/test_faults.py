import math
from random import Random

import pytest
from hypothesis import given
from hypothesis.strategies import binary, floats, integers
from pymodbus.framer.rtu import FramerRTU

from simulators.faults import LONGEST_BURST, Fate, Faults, fate, flipped, passage


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - a simulation, not a secret


CHUNK = b"\x01\x03\x04\x00\x11\x22\x33\x44\x55"


def test_nothing_is_wrong_with_a_line_as_it_stands() -> None:
    assert fate(Faults(), CHUNK, seeded(1)) == Fate(CHUNK)


@pytest.mark.parametrize(
    ("faults", "becomes"),
    [
        pytest.param(Faults(delay_s=0.5), Fate(CHUNK, 0.5), id="delay"),
        pytest.param(Faults(loss=1), Fate(b""), id="loss"),
        pytest.param(Faults(reset=1), Fate(b"", 0, "reset"), id="reset"),
        pytest.param(Faults(reset=1, delay_s=2), Fate(b"", 2, "reset"), id="a reset comes late"),
        pytest.param(Faults(loss=1, flip=1, reset=1), Fate(b"", 0, "reset"), id="reset is first"),
    ],
)
def test_what_becomes_of_a_chunk(faults: Faults, becomes: Fate) -> None:
    assert fate(faults, CHUNK, seeded(1)) == becomes


@given(integers())
def test_jitter_adds_up_to_its_size(seed: int) -> None:
    assert 0.5 <= fate(Faults(delay_s=0.5, jitter_s=0.2), CHUNK, seeded(seed)).wait_s <= 0.7


@given(integers(), binary(min_size=1, max_size=300))
def test_a_cut_leaves_a_true_beginning(seed: int, chunk: bytes) -> None:
    becomes = fate(Faults(cut_mid=1), chunk, seeded(seed))
    assert becomes.end == "close"
    assert len(becomes.data) < len(chunk)
    assert chunk.startswith(becomes.data)


@given(integers(), binary(min_size=1, max_size=300))
def test_a_flip_turns_one_burst_of_bits_and_no_more(seed: int, chunk: bytes) -> None:
    found = flipped(chunk, seeded(seed))
    assert len(found) == len(chunk)
    turned = int.from_bytes(found, "big") ^ int.from_bytes(chunk, "big")
    assert turned
    lowest = (turned & -turned).bit_length()
    assert turned.bit_length() - lowest < LONGEST_BURST


@given(integers(), binary(min_size=1, max_size=250))
def test_the_checksum_of_rtu_tells_every_flip(seed: int, body: bytes) -> None:
    frame = body + FramerRTU.compute_CRC(body).to_bytes(2, "big")
    found = flipped(frame, seeded(seed))
    assert FramerRTU.compute_CRC(found[:-2]) != int.from_bytes(found[-2:], "big")


def test_the_same_seed_makes_the_same_faults() -> None:
    faults = Faults(jitter_s=1, loss=0.3, reset=0.1, cut_mid=0.1, flip=0.5)
    one, other = seeded(7), seeded(7)
    assert [fate(faults, CHUNK, one) for _ in range(50)] == [
        fate(faults, CHUNK, other) for _ in range(50)
    ]


def test_a_share_is_one_of_all_chunks() -> None:
    chance = seeded(3)
    lost = sum(fate(Faults(loss=0.2), CHUNK, chance).data == b"" for _ in range(5_000))
    assert lost / 5_000 == pytest.approx(0.2, abs=0.02)


@given(integers(1, 5_000), floats(1, 1e9))
def test_a_throttled_line_takes_the_time_its_bits_take(size: int, bps: float) -> None:
    left, busy_s = size, 0.0
    while left:
        passing, piece_s = passage(left, bps)
        assert 1 <= passing <= left
        left, busy_s = left - passing, busy_s + piece_s
    assert busy_s == pytest.approx(8 * size / bps)


def test_a_free_line_passes_all_at_once() -> None:
    assert passage(4_096, 0) == (4_096, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("delay_s", -1), ("delay_s", 61), ("jitter_s", math.nan), ("loss", 1.1), ("reset", -0.1),
        ("throttle_bps", -1), ("cut_mid", 2), ("flip", math.inf),
    ],
)  # fmt: skip
def test_what_no_line_can_do_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field} is .*, not within 0 to"):
        Faults(**{field: value})
