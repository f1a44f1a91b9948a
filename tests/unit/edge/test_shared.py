"""Units of a kind share limits and decoders; what was read of one must not touch the other."""

import msgspec
import numpy as np
import pytest

from edge.deadband import Deadband
from edge.decode import decoder_of
from edge.judge import Judge
from edge.plan import blocks
from watchkeeper.documents import Text
from watchkeeper.profile import Modbus, Point
from watchkeeper.quality import Quality

POINTS = [
    Point(
        id=f"value-{n}",
        name=Text("测", "value"),
        address=2 * n,
        type="float32",
        possible=(0.0, 100.0),
        deadband=1.0,
        deadband_percent=10.0,
        through=True,
    )
    for n in range(2)
]
MODBUS = Modbus()
(BLOCK,) = blocks(POINTS, MODBUS)


def test_blocks_of_a_kind_have_one_decoder() -> None:
    again = [msgspec.structs.replace(point) for point in POINTS]
    assert decoder_of(BLOCK, POINTS, MODBUS, [1, 1]) is decoder_of(BLOCK, again, MODBUS, [1, 1])


def test_another_ratio_or_word_order_is_another_decoder() -> None:
    data = np.array([50, 60], ">f4").tobytes()
    plain = decoder_of(BLOCK, POINTS, MODBUS, [1, 1])
    assert decoder_of(BLOCK, POINTS, MODBUS, [40, 1])(data).tolist() == [2000, 60]
    assert decoder_of(BLOCK, POINTS, Modbus(word_order="little"), [1, 1]) is not plain
    assert plain(data).tolist() == [50, 60]


def test_what_one_reported_does_not_move_the_band_of_the_other() -> None:
    one, other = Deadband(POINTS), Deadband(POINTS)
    good = np.zeros(2, np.uint8)
    for each, value in ((one, 90.0), (other, 10.0)):
        assert each(0, np.full(2, value), good).tolist() == [0, 1]
    assert one(1, np.full(2, 92.0), good).tolist() == []
    assert other(1, np.full(2, 12.0), good).tolist() == [0, 1]


def test_what_is_shared_cannot_be_written() -> None:
    quality = Judge(POINTS)(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="read-only"):
        quality[0] = Quality.STALE
