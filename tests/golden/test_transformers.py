"""Meters behind a voltage and a current transformer, against registers worked out by hand.

A golden file here has only some points of its profile; `tests/golden/profiles` has them all.
"""

from pathlib import Path

import numpy as np
import pytest
from msgspec import Struct

from edge.channel import Channel
from edge.decode import decode
from edge.judge import Judge
from edge.plan import Block
from tests.golden.test_profiles import CATALOG, Heard
from watchkeeper import documents, profile
from watchkeeper.profile import Profile
from watchkeeper.quality import Quality
from watchkeeper.site import Unit, at_primary, ratio, transformed

FOLDER = Path(__file__).parent / "transformers"


class Golden(Struct, frozen=True, forbid_unknown_fields=True):
    """Registers of a device and what they mean behind its transformers."""

    profile: str
    ct: str
    pt: str
    registers: dict[int, dict[int, str]]  # by function and address, words in hexadecimal
    values: dict[str, float]


def read(name: str) -> tuple[Golden, Profile, Unit]:
    golden = documents.read(FOLDER / f"{name}.yaml", Golden, "wk.golden/1")
    of = profile.load(CATALOG / f"{golden.profile}.yaml")
    return golden, of, Unit("meter", golden.profile, ct=golden.ct, pt=golden.pt)


NAMES = [path.stem for path in sorted(FOLDER.glob("*.yaml"))]


@pytest.mark.serves("A2")
@pytest.mark.parametrize("name", NAMES)
def test_secondary_side_values_become_those_of_the_line(name: str) -> None:
    golden, of, unit = read(name)
    points = {point.id: at_primary(point, unit) for point in of.points}
    for key, expected in golden.values.items():
        point = points[key]
        data = bytes.fromhex(golden.registers[point.function or of.modbus.function][point.address])
        value = decode(point, data, of.modbus, transformed(point, unit))
        assert value == pytest.approx(expected, rel=1e-12), key
        assert Judge([point])(np.array([value])).tolist() == [Quality.GOOD], key


@pytest.mark.serves("A1")
@pytest.mark.parametrize("name", NAMES)
def test_the_edge_reads_them_so(name: str) -> None:
    golden, of, unit = read(name)
    points = [at_primary(point, unit) for point in of.points]
    ratios = [transformed(point, unit) for point in points]
    for position, point in enumerate(points):
        if point.id not in golden.values:
            continue
        function, heard = point.function or of.modbus.function, Heard()
        block = Block("normal", function, point.address, point.registers, (position,))
        channel = Channel(block, points, range(len(points)), of.modbus, ratios, lambda *_: "id")
        data = bytes.fromhex(golden.registers[function][point.address])
        channel.answered(0, data, heard, synchronised=True)
        assert heard.value[position] == pytest.approx(golden.values[point.id], rel=1e-12), point.id


@pytest.mark.parametrize(
    ("text", "times"),
    [("", 1), ("200/5", 40), ("10000/100", 100), ("0.4/0.1", 4), ("5/5", 1)],
)
def test_a_ratio_is_as_on_the_plate(text: str, times: float) -> None:
    assert ratio(text) == pytest.approx(times)


@pytest.mark.parametrize(
    "text", ["200", "200/", "/5", "200/0", "0/5", "-200/5", "a/b", "200/5/2", "1e9/1", "nan/1", " "]
)
def test_what_is_no_ratio_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text or "ratio"):
        ratio(text)


@pytest.mark.parametrize(
    ("unit", "times"),
    [("V", 100), ("A", 40), ("W", 4000), ("kWh", 4000), ("var", 4000), ("kVA", 4000)],
)
def test_what_a_point_measures_says_which_transformer_counts(unit: str, times: float) -> None:
    text = documents.Text("x", "x")
    point = profile.Point(
        "x", text, 0, "uint16", unit, through=True, possible=(0, 10), usual=(1, 2)
    )
    meter = Unit("meter", "x", ct="200/5", pt="10000/100")
    assert transformed(point, meter) == times
    behind = at_primary(point, meter)
    expected = ((0, 10), (1, 2)) if unit == "A" else ((0, 1000), None)
    assert (behind.possible, behind.usual) == expected
    assert at_primary(point, Unit("meter", "x", ct="200/5")) is point
