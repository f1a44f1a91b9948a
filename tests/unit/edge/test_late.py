"""What a bus that is behind, a block nobody answers for and an old factor do to a quality."""

import asyncio
import itertools
import struct

import numpy as np
import pytest
from typing_extensions import override

from edge.drivers.modbus import Line, NoAnswer, Request
from edge.factors import OLD_MS
from edge.lanes import Watched
from edge.poll import Poller
from tests.fakes import FixedClock
from tests.fakes_modbus import until
from tests.unit.edge.test_factors import VALUES, channels
from tests.unit.edge.test_poll import Recorder, point, profile
from watchkeeper.profile import Rate
from watchkeeper.quality import Quality
from watchkeeper.site import ModbusTcp, Unit

PERIODS: dict[Rate, float] = {"life_safety": 0.25, "normal": 1.0, "slow": 5.0}
SAFE, PLAIN = 0, 1  # aliases


class SlowLine(Line):
    """A line whose every answer takes as long as the test says, on the test's clock."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(ModbusTcp("nowhere"), "lan")
        self.clock, self.takes_s, self.deaf = clock, 0.01, set[int]()

    @override
    async def read(self, asked: Request) -> bytes:
        self.clock.pass_(self.takes_s)
        await asyncio.sleep(0)
        if asked.pdu.address in self.deaf:
            raise NoAnswer("nothing")
        return bytes(asked.size)


class Stepping(Poller):
    """Where nothing is due the test's clock moves on."""

    @override
    async def _pause(self) -> None:
        assert isinstance(self._clock, FixedClock)
        self._clock.pass_(0.01)
        await asyncio.sleep(0)


@pytest.fixture
def poller() -> Poller:
    clock = FixedClock()
    line, out = SlowLine(clock), Recorder()
    made = Stepping(line, clock, out, lambda *_: "id", periods_s=PERIODS)
    points = profile(point(0, point_class="life_safety"), point(50))
    made.add(Unit("u", "test", "lan", 1, "house"), points, [SAFE, PLAIN])
    return made


@pytest.mark.serves("A3")
@pytest.mark.serves("A4")
async def test_what_is_read_late_says_so_and_stays_a_good_value(
    poller: Poller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "edge.poll")
    out, line = poller._out, poller._line  # noqa: SLF001 - as the fixture made them
    assert isinstance(out, Recorder)
    assert isinstance(line, SlowLine)
    work = asyncio.create_task(poller.run())
    await until(lambda: out.quality == {SAFE: Quality.GOOD, PLAIN: Quality.GOOD})
    line.takes_s = 2.0
    await until(lambda: out.quality == {SAFE: Quality.LATE, PLAIN: Quality.LATE})
    assert (poller.paces.is_behind, out.value[PLAIN], poller.paces.share) == (True, 0.0, 1.0)
    line.takes_s = 0.01
    await until(lambda: not poller.paces.is_behind)
    await until(lambda: set(out.quality.values()) == {Quality.GOOD})
    work.cancel()
    await asyncio.wait([work])
    told = [vars(each)["rate"] for each in caplog.records if "rates" in each.message]
    assert sorted(told) == ["life_safety", "life_safety", "normal", "normal"]
    assert out.seen == [], "being late is no change of a life-safety point"
    changes = [code for alias, _, code in out.history if alias == PLAIN]
    assert sum(a != b for a, b in itertools.pairwise(changes)) == 2, "no flapping"


@pytest.mark.serves("A4")
async def test_a_block_that_alone_never_answers_has_no_value(poller: Poller) -> None:
    out, line = poller._out, poller._line  # noqa: SLF001
    assert isinstance(out, Recorder)
    assert isinstance(line, SlowLine)
    line.takes_s = 0.2
    work = asyncio.create_task(poller.run())
    await until(lambda: len(out.quality) == 2)
    line.deaf.add(50)
    await until(lambda: out.quality[PLAIN] == Quality.NO_ANSWER)
    assert out.quality[SAFE] < Quality.UNCERTAIN
    assert not poller.units[0].silent
    line.deaf.clear()
    await until(lambda: out.quality[PLAIN] < Quality.UNCERTAIN)
    work.cancel()
    await asyncio.wait([work])


@pytest.mark.serves("A4")
def test_what_an_old_factor_scales_is_uncertain() -> None:
    (values, ratios), out = channels(), Recorder()
    ratios.answered(0, struct.pack(">HH", 40, 10), out, synchronised=True)
    values.answered(OLD_MS, VALUES, out, synchronised=True)
    assert set(out.quality.values()) == {Quality.GOOD}

    values.answered(OLD_MS + 1, VALUES, out, synchronised=True, late=True)

    assert out.quality == {
        0: Quality.LATE, 1: Quality.LATE,  # power and its own scale, of one read
        2: Quality.UNCERTAIN, 3: Quality.UNCERTAIN, 4: Quality.UNCERTAIN,
        5: Quality.GOOD, 6: Quality.GOOD,
    }  # fmt: skip
    ratios.answered(OLD_MS + 2, struct.pack(">HH", 40, 10), out, synchronised=True)
    values.answered(OLD_MS + 2, VALUES, out, synchronised=True)
    assert set(out.quality.values()) == {Quality.GOOD}


def test_doubt_about_a_life_safety_point_is_still_a_change() -> None:
    watched = Watched([point(0, point_class="life_safety")], [SAFE])
    values = np.zeros(1)
    told = [
        len(watched(0, values, np.array([code], np.uint8), lambda *_: "id"))
        for code in (Quality.GOOD, Quality.LATE, Quality.GOOD, Quality.UNCERTAIN, Quality.LATE)
    ]
    assert told == [0, 0, 0, 1, 1]
