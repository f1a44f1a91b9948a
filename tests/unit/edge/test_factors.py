import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import plan
from edge.channel import Channel
from edge.decode import Decoder, decode, factor
from edge.factors import Board, Factors
from tests.unit.edge.test_poll import Recorder
from watchkeeper.documents import Text
from watchkeeper.profile import Modbus, Point
from watchkeeper.quality import Quality

MODBUS = Modbus(function=3, max_hole=0)


def point(name: str, address: int, word: str = "uint16", **more: object) -> Point:
    return Point(name, Text("", ""), address, word, **more)  # type: ignore[arg-type]


# The ratios stand apart from what they scale: two reads.
METER = [
    point("power", 0, "int16", scale_from="power_scale"),
    point("power_scale", 1, "int16", possible=(-5, 5)),
    point("current", 2, scale=0.01, ratio_from=["ct"]),
    point("energy", 3, "uint32", scale=0.01, ratio_from=["ct", "pt"], kind="counter"),
    point("share", 5, scale_from="ct", scale_kind="factor"),
    point("ct", 100, possible=(1, 1000)),
    point("pt", 101),
]


def channels(points: list[Point] = METER) -> list[Channel]:
    board, aliases = Board(points), range(len(points))
    return [
        Channel(block, points, aliases, MODBUS, [1.0] * len(points), lambda *_: "id", board=board)
        for block in plan.blocks(points, MODBUS)
    ]


VALUES = struct.pack(">hhHIH", 123, -1, 250, 1000, 3)


@pytest.mark.serves("A1")
def test_values_are_scaled_by_registers_of_the_device() -> None:
    (values, ratios), out = channels(), Recorder()

    ratios.answered(0, struct.pack(">HH", 40, 10), out, synchronised=True)
    values.answered(0, VALUES, out, synchronised=True)

    assert [out.value[alias] for alias in range(7)] == pytest.approx(
        [12.3, -1, 100, 4000, 120, 40, 10]
    )
    assert set(out.quality.values()) == {0}


def test_without_its_ratio_a_value_is_none() -> None:
    (values, ratios), out = channels(), Recorder()

    values.answered(0, VALUES, out, synchronised=True)
    assert [out.quality[alias] for alias in range(5)] == [0, 0, *[Quality.NOT_AVAILABLE] * 3]

    ratios.answered(1, struct.pack(">HH", 40, 10), out, synchronised=True)
    values.answered(1, VALUES, out, synchronised=True)
    assert out.quality[2] == 0

    ratios.failed(2, Quality.NO_ANSWER, out)
    values.answered(2, VALUES, out, synchronised=True)
    assert out.quality[2] == Quality.NOT_AVAILABLE


def test_a_ratio_that_is_impossible_scales_nothing() -> None:
    (values, ratios), out = channels(), Recorder()

    ratios.answered(0, struct.pack(">HH", 60000, 10), out, synchronised=True)
    values.answered(0, VALUES, out, synchronised=True)

    assert out.quality[2] == Quality.NOT_AVAILABLE


def test_what_scales_a_point_is_read_as_often_and_with_it() -> None:
    points = [
        point("smoke", 0, "int16", scale_from="scale", point_class="life_safety"),
        point("scale", 1, "int16", rate="slow"),
    ]

    (block,) = plan.blocks(points, MODBUS)

    assert (block.rate, block.count) == ("life_safety", 2)


@given(st.binary(min_size=12, max_size=12), st.binary(min_size=4, max_size=4))
def test_blocks_scale_as_the_points_do_one_by_one(values: bytes, ratios: bytes) -> None:
    points = [point(each.id, each.address, each.type, scale=each.scale, scale_from=each.scale_from,
                    scale_kind=each.scale_kind, ratio_from=each.ratio_from)
              for each in METER]  # fmt: skip
    points[1] = point("power_scale", 1, "int16", possible=(-5, 5))
    board, memory = Board(points), {0: values, 100: ratios}
    found: dict[str, float] = {}
    made: dict[str, float] = {}
    for block in reversed(plan.blocks(points, MODBUS)):
        data = memory[block.address]
        got = Decoder(block, points, MODBUS, [1.0] * len(points))(data)
        assert Factors(block, points, board)(got, 0) is None
        for position, value in zip(block.points, got.tolist(), strict=True):
            made[points[position].id] = value
            own = plan.registers_of(block, points[position], data)
            found[points[position].id] = decode(points[position], own, MODBUS)
    if not -5 <= found["power_scale"] <= 5:
        found["power_scale"] = math.nan
        made.pop("power_scale")
    for each in points:
        if each.id in made:
            right = found[each.id] * factor(each, found)
            assert np.isclose(made[each.id], right, rtol=1e-12, atol=0, equal_nan=True), each
