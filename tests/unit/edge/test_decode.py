import math
import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import plan
from edge.decode import Decoder, decode, text
from watchkeeper.documents import Text
from watchkeeper.profile import REGISTERS, Modbus, Point

BIG = Modbus()
NAN = float("nan")


def point(word: str = "uint16", address: int = 0, **more: object) -> Point:
    return Point(f"p{address}", Text("", ""), address, word, **more)  # type: ignore[arg-type]


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


@pytest.mark.serves("A1")
@pytest.mark.parametrize(
    ("made", "data", "value"),
    [
        pytest.param(point(), "0102", 258, id="uint16"),
        pytest.param(point("int16"), "fffe", -2, id="int16"),
        pytest.param(point("uint32"), "00010000", 65536, id="uint32"),
        pytest.param(point("int32"), "ffffffff", -1, id="int32"),
        pytest.param(point("uint64"), "0000000100000000", 2.0**32, id="uint64"),
        pytest.param(point("int64"), "ffffffffffffffff", -1, id="int64"),
        pytest.param(point("float16"), "3c00", 1, id="float16"),
        pytest.param(point("float32"), "43668000", 230.5, id="float32"),
        pytest.param(point("float64"), "3ff8000000000000", 1.5, id="float64"),
        pytest.param(point("bool"), "0100", 1, id="bool: any bit"),
        pytest.param(point("bcd16"), "1234", 1234, id="bcd16"),
        pytest.param(point("bcd32"), "12345678", 12_345_678, id="bcd32"),
        pytest.param(point("bcd16"), "12a4", NAN, id="bcd: a digit above 9 is no number"),
        pytest.param(point(bit=3), "0008", 1, id="bit"),
        pytest.param(point(bit=2), "0008", 0, id="other bit"),
        pytest.param(point(bits=(8, 15)), "e301", 0xE3, id="high byte"),
        pytest.param(point(bits=(0, 7)), "e301", 1, id="low byte"),
        pytest.param(point(scale=0.1), "0064", 10, id="scale"),
        pytest.param(point("int16", not_available=[-32768]), "8000", NAN, id="not available"),
        pytest.param(point("bcd48"), "123456789012", 123_456_789_012, id="bcd48"),
        pytest.param(point(scale=0.1, offset=-40), "0258", 20, id="offset"),
        pytest.param(point("int16", fraction_bits=8), "ff80", -0.5, id="fixed point"),
        pytest.param(point("uint32", time="epoch"), "68000000", 1_744_830_464, id="epoch"),
        pytest.param(point("bcd48", time="calendar"), "240229123005", 1_709_209_805, id="calendar"),
        pytest.param(
            point("bcd48", time="calendar", offset=-28800),
            "240229203005",
            1_709_209_805,
            id="calendar in local time",
        ),
        pytest.param(
            point("bcd48", time="calendar", word_order="little", byte_order="little"),
            "053012290224",
            1_709_209_805,
            id="calendar, seconds first",
        ),
        pytest.param(point("bcd48", time="calendar"), "230229123005", NAN, id="no such day"),
        pytest.param(point("bcd48", time="calendar"), "230200250000", NAN, id="no such time"),
        pytest.param(
            point("float32", not_available=[-9999.0], scale=2), "c61c3c00", NAN, id="before scaling"
        ),
        pytest.param(point("float32", word_order="little"), "80004366", 230.5, id="low word first"),
        pytest.param(point("float32", byte_order="little"), "66430080", 230.5, id="bytes swapped"),
        pytest.param(
            point("float32", word_order="little", byte_order="little"), "00806643", 230.5, id="both"
        ),
    ],
)
def test_decodes_as_the_device_means_it(made: Point, data: str, value: float) -> None:
    octets = bytes.fromhex(data)

    assert decode(made, octets, BIG) == pytest.approx(value, nan_ok=True)
    (block,) = plan.blocks([made], BIG)
    assert Decoder(block, [made], BIG, [1.0])(octets) == pytest.approx([value], nan_ok=True)


def test_secondary_side_values_are_scaled_by_the_transformer() -> None:
    assert decode(point(through=True), b"\0\x05", BIG, 40) == 200
    assert decode(point(), b"\0\x05", BIG, 40) == 5


@pytest.mark.parametrize(
    ("data", "modbus", "expected"),
    [
        (b"SDM630\0\0", BIG, "SDM630"),
        (b"DS6M03\0\0", Modbus(byte_order="little"), "SDM630"),
        (b"AB  ", Modbus(word_order="little"), "AB"),
    ],
)
def test_texts_end_at_their_first_nul(data: bytes, modbus: Modbus, expected: str) -> None:
    assert text(point("string", length=4), data, modbus) == expected


def test_coils_come_lowest_bit_first() -> None:
    coils = [point("bool", address, function=1) for address in (10, 11, 20)]
    (block,) = plan.blocks(coils, BIG)

    assert Decoder(block, coils, BIG, [1.0] * 3)(bytes([0b01, 0b100])).tolist() == [1, 0, 1]


ORDER = st.sampled_from([None, "big", "little"])


@st.composite
def points(draw: st.DrawFn) -> list[Point]:
    made, address = [], draw(st.integers(0, 50))
    for _ in range(draw(st.integers(1, 20))):
        word = draw(st.sampled_from(sorted(REGISTERS)))
        more: dict[str, object] = {}
        if word == "uint16":
            low = draw(st.integers(0, 15))
            field = {"bits": (low, draw(st.integers(low, 15)))}
            more = draw(st.sampled_from([{}, {"bit": low}, field, {"fraction_bits": low}]))
        elif word == "bcd48":
            more = draw(st.sampled_from([{}, {"time": "calendar"}]))
        made.append(
            point(
                word,
                address,
                word_order=draw(ORDER),
                byte_order=draw(ORDER),
                scale=draw(st.sampled_from([1.0, 0.1, 1000.0])),
                offset=draw(st.sampled_from([0.0, -40.0])),
                through=draw(st.booleans()),
                not_available=draw(st.lists(st.sampled_from([0.0, 1.0, 65535.0]), max_size=2)),
                **more,
            )
        )
        address += draw(st.integers(0, 3)) and made[-1].registers + draw(st.integers(0, 4))
    return made


@pytest.mark.serves("A1")
@given(points(), st.binary(min_size=1024, max_size=1024), ORDER, ORDER)
def test_a_block_decodes_as_its_points_do_one_by_one(
    made: list[Point], memory: bytes, words: str | None, octets: str | None
) -> None:
    modbus = Modbus(word_order=words or "big", byte_order=octets or "big")  # type: ignore[arg-type]
    for block in plan.blocks(made, modbus):
        data = memory[2 * block.address : 2 * (block.address + block.count)]
        with np.errstate(all="ignore"):
            values = Decoder(block, made, modbus, [40.0] * len(made))(data)
        for position, value in zip(block.points, values.tolist(), strict=True):
            each = made[position]
            own = memory[2 * each.address : 2 * (each.address + each.registers)]
            with np.errstate(all="ignore"):
                assert same(value, decode(each, own, modbus, 40.0)), each


@given(st.floats(width=32, allow_nan=False))
def test_a_float_survives(value: float) -> None:
    assert decode(point("float32"), struct.pack(">f", value), BIG) == value


@given(st.lists(st.text("0123456789", min_size=12, max_size=12), min_size=1, max_size=30))
def test_calendars_decode_together_as_one_by_one(texts: list[str]) -> None:
    made = [point("bcd48", 3 * n, time="calendar") for n in range(len(texts))]
    modbus = Modbus(max_registers=125)
    for block in plan.blocks(made, modbus):
        data = bytes.fromhex("".join(texts[position] for position in block.points))
        values = Decoder(block, made, modbus, [1.0] * len(made))(data)
        for position, value in zip(block.points, values.tolist(), strict=True):
            assert same(value, decode(made[position], bytes.fromhex(texts[position]), modbus))


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59)))  # noqa: DTZ001
def test_a_calendar_survives(instant: datetime) -> None:
    made = point("bcd48", time="calendar")
    (block,) = plan.blocks([made], BIG)
    data = bytes.fromhex(f"{instant:%y%m%d%H%M%S}")
    expected = instant.replace(tzinfo=UTC, microsecond=0).timestamp()

    assert Decoder(block, [made], BIG, [1.0])(data).tolist() == [expected]
