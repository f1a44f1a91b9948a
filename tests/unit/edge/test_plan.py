import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import plan
from watchkeeper.documents import Text
from watchkeeper.profile import REGISTERS, Modbus, Point
from watchkeeper.site import ModbusRtu, ModbusRtuTcp, ModbusTcp

TYPES = sorted(REGISTERS)


def point(address: int, **more: object) -> Point:
    kept = {"type": "uint16"} | more
    return Point(f"p{address}", Text("", ""), address, **kept)  # type: ignore[arg-type]


def spans(points: list[Point], **modbus: int) -> list[tuple[int, int]]:
    found = plan.blocks(points, Modbus(**modbus))  # type: ignore[arg-type]
    return [(block.address, block.count) for block in found]


@pytest.mark.serves("A3")
@pytest.mark.parametrize(
    ("points", "modbus", "expected"),
    [
        pytest.param([point(0), point(1)], {}, [(0, 2)], id="neighbours share a read"),
        pytest.param([point(0), point(17)], {"max_hole": 16}, [(0, 18)], id="a hole is crossed"),
        pytest.param(
            [point(0), point(18)], {"max_hole": 16}, [(0, 1), (18, 1)], id="a wider one is not"
        ),
        pytest.param(
            [point(0), point(1), point(2)], {"max_registers": 2}, [(0, 2), (2, 1)], id="no longer"
        ),
        pytest.param([point(5, bit=0), point(5, bit=3)], {}, [(5, 1)], id="bits of a register"),
        pytest.param([point(4), point(0)], {}, [(0, 5)], id="order of the file does not matter"),
        pytest.param(
            [point(0), point(1, rate="slow")], {}, [(0, 1), (1, 1)],
            id="rates apart",
        ),
        pytest.param([point(0), point(1, function=1)], {}, [(0, 1), (1, 1)], id="functions apart"),
        pytest.param([point(0, type="string", length=8)], {}, [], id="texts are left out"),
    ],
)  # fmt: skip
def test_blocks_cover_the_points(
    points: list[Point], modbus: dict[str, int], expected: list[tuple[int, int]]
) -> None:
    assert spans(points, **modbus) == expected


def test_a_bit_function_counts_sixteen_times_as_many() -> None:
    coils = [point(address, function=2, type="bool") for address in range(0, 200, 10)]

    (block,) = plan.blocks(coils, Modbus(max_registers=20, max_hole=1))

    assert (block.count, block.size) == (191, 24)


def test_life_safety_is_read_four_times_a_second() -> None:
    (block,) = plan.blocks([point(0, point_class="life_safety")], Modbus())

    assert plan.PERIODS_S[block.rate] == 0.25


PLANNED = st.lists(
    st.builds(
        lambda address, word: point(address, type=word),
        st.integers(0, 600),
        st.sampled_from(TYPES),
    ),
    max_size=60,
)


@given(PLANNED, st.integers(4, 125), st.integers(0, 40))
def test_every_point_stands_in_exactly_one_read_within_bounds(
    points: list[Point], longest: int, hole: int
) -> None:
    blocks = plan.blocks(points, Modbus(max_registers=longest, max_hole=hole))

    assert sorted(each for block in blocks for each in block.points) == list(range(len(points)))
    for block in blocks:
        assert block.count <= longest
        used = {
            register
            for position in block.points
            for register in range(
                points[position].address, points[position].address + points[position].registers
            )
        }
        assert min(used) == block.address
        assert max(used) == block.address + block.count - 1
        gaps = [b - a - 1 for a, b in zip(sorted(used), sorted(used)[1:], strict=False)]
        assert max(gaps, default=0) <= hole


def test_a_refused_block_is_cut_at_its_widest_hole() -> None:
    points = [point(0), point(1), point(9), point(10)]
    (block,) = plan.blocks(points, Modbus())

    assert [(part.address, part.count) for part in plan.halves(block, points)] == [(0, 2), (9, 2)]


def test_a_refused_point_is_not_cut() -> None:
    points = [point(3, type="float32")]
    (block,) = plan.blocks(points, Modbus())

    assert plan.halves(block, points) == []


@given(PLANNED.filter(bool))
def test_halving_ends_with_points_that_cannot_be_parted(points: list[Point]) -> None:
    waiting, ends = plan.blocks(points, Modbus()), []
    while waiting:
        block = waiting.pop()
        halves = plan.halves(block, points)
        waiting += halves
        if not halves:
            ends.append(block)

    assert sorted(each for block in ends for each in block.points) == list(range(len(points)))


def test_no_read_crosses_what_the_device_does_not_have() -> None:
    points = [point(0), point(4), point(9), point(10)]
    lost = plan.found(points, Modbus(), 4, 4, 1)
    assert lost is not None

    blocks = plan.blocks(points, Modbus(), lost=[lost])

    assert [(block.address, block.count) for block in blocks] == [(0, 1), (9, 2)]


def test_registers_no_point_has_are_no_block() -> None:
    points = [point(0), point(4)]

    assert plan.found(points, Modbus(), 4, 1, 1) is None
    assert plan.found(points, Modbus(), 4, 0, 5) is None  # it can be parted


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (ModbusRtu("/dev/a", 9600), (8 + 5 + 20 + 7) * 10 / 9600 + 0.005),
        (ModbusRtu("/dev/a", 115200, "E", 2), (8 + 5 + 20) * 12 / 115200 + 2 * 0.00175 + 0.005),
        (ModbusTcp("host"), 0.01),
        (ModbusRtuTcp("host", 1), (8 + 5 + 20 + 7) * 10 / 9600 + 0.015),
    ],
)
def test_a_read_keeps_its_bus_busy(
    line: ModbusTcp | ModbusRtu | ModbusRtuTcp, seconds: float
) -> None:
    block = plan.Block("normal", 3, 0, 10, (0,))

    assert plan.busy_s(line, block) == pytest.approx(seconds)
