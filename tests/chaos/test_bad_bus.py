"""The real edge driver and poller on buses that break and answer wrongly, over real sockets."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from benchmarks.edge_faults import figures
from benchmarks.edge_faults_parts import Burst, BusRun, Told, bursts, run_buses, wrong
from simulators.bad_bus import KINDS
from simulators.faults import Faults

pytestmark = pytest.mark.serves("A1")
KEY = (7, 100)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Each fault is logged, as it should be; thousands of them help nobody here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def test_a_bad_bus_makes_no_wrong_value_and_every_live_unit_is_soon_back() -> None:
    told = await run_buses(12, 12, 2_000, seed=5)
    rows = {figure.name: figure for figure in figures(told)}
    assert rows["edge.wrong_values"].value == 0, rows["edge.wrong_values"].load
    slowest = rows["edge.fault_recovery_cycles"]
    assert slowest.ok, slowest
    assert rows["edge.fault_transactions"].value >= 2_000
    assert sum(bus.values for bus in told) > 1_000
    assert {name for bus in told for _, name in bus.cycles} >= names()
    assert {kind for bus in told for kind in bus.answers} == {"", *KINDS["tcp"], *KINDS["rtu"]}


def names() -> set[str]:
    return {burst.name for framing in KINDS for burst in bursts(framing)}


async def test_bits_turned_on_modbus_tcp_are_seen_by_this_check_as_no_reader_could_tell() -> None:
    flips = Burst("bits flipped", faults=Faults(flip=0.5))
    enough = asyncio.Event()
    enough.set()
    told: Told = await BusRun("tcp", "flips-0", [flips]).run(enough)
    assert told.wrong


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        pytest.param((7, 100, 5, 2_000), "", id="right"),
        pytest.param((8, 100, 5, 2_000), "of another", id="other unit"),
        pytest.param((7, 0, 5, 2_000), "of another", id="other block"),
        pytest.param((7, 100, 4, 2_000), "not the newest", id="a late one"),
        pytest.param((7, 100, 6, 2_000), "not the newest", id="one never sent"),
        pytest.param((7, 100, 5, 1_400), "of an earlier question", id="from before the question"),
    ],
)
def test_what_is_a_wrong_value(shown: tuple[int, ...], why: str) -> None:
    assert wrong(KEY, shown, issued=5, taken=4, asked_ms=1_500) == why


def test_an_answer_seen_twice_is_a_wrong_value() -> None:
    assert wrong(KEY, (7, 100, 5, 2_000), issued=5, taken=5, asked_ms=1_500) == "seen before"
