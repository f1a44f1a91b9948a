"""Every type of a register in every byte and word order.

The registers of the tables were written down by hand. Those of the property come from struct, on
another way than the decoder's: it packs little or big end first and swaps pairs of bytes.
"""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import plan
from edge.decode import Decoder, decode, text
from watchkeeper.documents import Text
from watchkeeper.profile import REGISTERS, Modbus, Point

# Word order, byte order; which byte of 0x0A0B0C0D comes first, and so on.
ORDERS = [("big", "big"), ("little", "big"), ("big", "little"), ("little", "little")]
NAMES = ["ABCD", "CDAB", "BADC", "DCBA"]

# Type, value, registers in the four orders. 0x0001020304050607 is 283,686,952,306,183, and its
# negative the complement and 1; 0x40490FDB and 0x400921FB54442D18 are pi.
BY_HAND = [
    ("uint32", 168_496_141, "0a0b0c0d 0c0d0a0b 0b0a0d0c 0d0c0b0a"),
    ("int32", -168_496_141, "f5f4f3f3 f3f3f5f4 f4f5f3f3 f3f3f4f5"),
    (
        "uint64",
        283_686_952_306_183,
        "0001020304050607 0607040502030001 0100030205040706 0706050403020100",
    ),
    (
        "int64",
        -283_686_952_306_183,
        "fffefdfcfbfaf9f9 f9f9fbfafdfcfffe fefffcfdfafbf9f9 f9f9fafbfcfdfeff",
    ),
    ("float32", 3.1415927410125732, "40490fdb 0fdb4049 4940db0f db0f4940"),
    ("float64", math.pi, "400921fb54442d18 2d18544421fb4009 0940fb214454182d 182d4454fb210940"),
    ("bcd32", 12_345_678, "12345678 56781234 34127856 78563412"),
    ("bcd48", 123_456_789_012, "123456789012 901256781234 341278561290 129078563412"),
    # One register: the word order changes nothing.
    ("uint16", 258, "0102 0102 0201 0201"),
    ("int16", -2, "fffe fffe feff feff"),
    ("float16", 1.0009765625, "3c01 3c01 013c 013c"),
    ("bcd16", 1234, "1234 1234 3412 3412"),
    ("bool", 1, "0100 0100 0001 0001"),
]
MEANING = [
    # 29 February 2024, 12:30:05 UTC
    (
        {"time": "calendar"},
        "bcd48",
        1_709_209_805,
        "240229123005 300529122402 022412290530 053012290224",
    ),
    ({"time": "epoch"}, "uint32", 1_709_209_805, "65e078cd 78cd65e0 e065cd78 cd78e065"),
    # 0x18E << 32 is 398 * 4,294,967,296 ms
    (
        {"time": "epoch", "scale": 0.001},
        "uint64",
        1_709_396_983.808,
        "0000018e00000000 00000000018e0000 00008e0100000000 000000008e010000",
    ),
    ({"fraction_bits": 16}, "int32", -1.5, "fffe8000 8000fffe feff0080 0080feff"),
    (
        {"not_available": [-2147483648.0]},
        "int32",
        math.nan,
        "80000000 00008000 00800000 00000080",
    ),
    # A register holds the float32 nearest to what a manual writes in decimal.
    (
        {"not_available": [3.4028235e38]},
        "float32",
        math.nan,
        "7f7fffff ffff7f7f 7f7fffff ffff7f7f",
    ),
    ({"not_available": [-9999.9]}, "float32", math.nan, "c61c3f9a 3f9ac61c 1cc69a3f 9a3f1cc6"),
    ({"bits": (8, 11)}, "uint16", 10, "0a05 0a05 050a 050a"),
    ({"bit": 9}, "uint16", 1, "0200 0200 0002 0002"),
    ({"offset": -40.0, "scale": 0.5}, "uint16", 89, "0102 0102 0201 0201"),
]


def point(word: str, orders: tuple[str, str], **more: object) -> Point:
    words, octets = orders
    return Point("p", Text("", ""), 0, word, word_order=words, byte_order=octets, **more)  # type: ignore[arg-type]


def both(made: Point, data: bytes, modbus: Modbus | None = None) -> list[float]:
    """Return what the two decoders make of it."""
    of = modbus or Modbus()
    (block,) = plan.blocks([made], of)
    return [decode(made, data, of), *Decoder(block, [made], of, [1.0])(data).tolist()]


def test_the_table_has_every_type() -> None:
    assert {word for word, *_ in BY_HAND} == set(REGISTERS)


@pytest.mark.serves("A1")
@pytest.mark.parametrize("number", range(4), ids=NAMES)
@pytest.mark.parametrize(("word", "value", "registers"), BY_HAND, ids=[row[0] for row in BY_HAND])
def test_every_type_in_every_order(word: str, value: float, registers: str, number: int) -> None:
    data = bytes.fromhex(registers.split()[number])
    words, octets = ORDERS[number]

    assert both(point(word, ORDERS[number]), data) == [value, value]
    # The same where the device says it once for all its points.
    plain = Point("p", Text("", ""), 0, word)  # type: ignore[arg-type]
    modbus = Modbus(word_order=words, byte_order=octets)  # type: ignore[arg-type]
    assert both(plain, data, modbus) == [value, value]


@pytest.mark.serves("A1")
@pytest.mark.parametrize("number", range(4), ids=NAMES)
@pytest.mark.parametrize(("more", "word", "value", "registers"), MEANING, ids=str)
def test_what_a_number_means_does_not_depend_on_its_order(
    more: dict[str, object], word: str, value: float, registers: str, number: int
) -> None:
    data = bytes.fromhex(registers.split()[number])
    made = both(point(word, ORDERS[number], **more), data)
    assert made == pytest.approx([value, value], nan_ok=True, rel=1e-15)


@pytest.mark.parametrize(
    ("octets", "data"), [("big", b"SDM630 V2\0\0\0"), ("little", b"DS6M03V \x002\0\0")]
)
@pytest.mark.parametrize("words", ["big", "little"])
def test_a_text_reads_from_its_first_register_whatever_the_word_order(
    words: str, octets: str, data: bytes
) -> None:
    assert text(point("string", (words, octets), length=6), data, Modbus()) == "SDM630 V2"


WHOLE = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q"}
REAL = {"float16": ("e", 16), "float32": ("f", 32), "float64": ("d", 64)}


@st.composite
def packed(draw: st.DrawFn) -> tuple[str, str, float]:
    """Draw a type, its letter in struct, and a value it can hold."""
    if draw(st.booleans()):
        word = draw(st.sampled_from(sorted(WHOLE)))
        bits = 16 * REGISTERS[word]  # type: ignore[index]
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        span = (0, 2**bits - 1) if word.startswith("u") else (low, high)
        return word, WHOLE[word], draw(st.integers(*span))
    word = draw(st.sampled_from(sorted(REAL)))
    letter, width = REAL[word]
    return word, letter, draw(st.floats(width=width))  # type: ignore[arg-type]


@pytest.mark.serves("A1")
@given(packed(), st.sampled_from(ORDERS))
def test_what_struct_packs_is_what_is_read(
    drawn: tuple[str, str, float], orders: tuple[str, str]
) -> None:
    word, letter, value = drawn
    words, octets = orders
    data = struct.pack(f"{'<' if words == 'little' else '>'}{letter}", value)
    if words != octets:
        data = np.frombuffer(data, np.uint16).byteswap().tobytes()
    with np.errstate(all="ignore"):
        made = both(point(word, orders), data)
    # Whole numbers above 2^53 are the nearest float64, as Python rounds them.
    expected = float(value)
    assert made == [expected] * 2 or (math.isnan(expected) and np.isnan(made).all())


@given(st.integers(0, 10**12 - 1), st.sampled_from(ORDERS))
def test_what_was_written_in_digits_is_what_is_read(value: int, orders: tuple[str, str]) -> None:
    words, octets = orders
    for word, digits in (("bcd16", 4), ("bcd32", 8), ("bcd48", 12)):
        shown = value % 10**digits
        data = bytes.fromhex(f"{shown:0{digits}}")
        if words == "little":
            data = data[::-1]
        if words != octets:
            data = np.frombuffer(data, np.uint16).byteswap().tobytes()
        assert both(point(word, orders), data) == [shown, shown]
