"""What latches, what a reset and a mute do, and what its transmission device tells of it."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drivers.gb26875.v2011 import data
from simulators import gb26875
from simulators.devices.fire_panel import (
    BATTERY,
    DISABLED,
    FAULT,
    FIRE,
    LOOK_AGAIN_S,
    MAINS,
    MUTE,
    NORMAL,
    RESET,
    FirePanel,
)
from simulators.transmitter import Transmitter

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
TIME = "00000c170b1a"


def pass_(panel: FirePanel, seconds: float) -> None:
    for _ in range(round(seconds * 10)):
        panel.step(0.1)


@pytest.mark.serves("A10")
def test_a_reset_in_smoke_rings_again_and_a_reset_without_it_ends_the_fire() -> None:
    panel = FirePanel(4)
    panel.put(2, FIRE)
    panel.put(3, FIRE)
    panel.reset()
    assert panel.state == NORMAL
    pass_(panel, LOOK_AGAIN_S / 2)
    assert panel.state == NORMAL
    pass_(panel, LOOK_AGAIN_S)
    assert panel.detectors == [NORMAL, FIRE, FIRE, NORMAL]
    panel.end(FIRE)
    pass_(panel, 10)
    assert panel.state == FIRE  # it latched
    panel.reset()
    pass_(panel, 10)
    assert panel.state == NORMAL


def test_a_mute_lasts_until_the_next_detector_rings() -> None:
    panel = FirePanel(4)
    panel.put(1, FIRE)
    assert panel.sounding
    panel.mute()
    panel.put(1, FIRE)
    assert not panel.sounding
    panel.put(2, FIRE)
    assert panel.sounding
    assert panel.state == FIRE
    assert panel.operations == [MUTE]


def test_faults_and_disablements_go_with_their_cause_and_no_reset_is_needed() -> None:
    panel = FirePanel(2)
    panel.put(1, FAULT)
    panel.put(2, DISABLED)
    panel.reset()
    pass_(panel, 10)
    assert panel.detectors == [FAULT, DISABLED]
    panel.end(FAULT)
    assert panel.state == DISABLED
    panel.end(DISABLED)
    assert panel.state == NORMAL


def test_a_disabled_detector_is_not_heard_until_it_is_enabled_again() -> None:
    panel = FirePanel(2)
    panel.put(1, DISABLED)
    panel.put(1, FIRE)
    assert panel.detectors == [DISABLED, NORMAL]
    panel.end(DISABLED)
    assert panel.detectors == [FIRE, NORMAL]


@pytest.mark.parametrize(
    ("supply", "fire", "state"),
    [
        pytest.param(MAINS, False, FAULT, id="mains"),
        pytest.param(BATTERY, False, FAULT, id="battery"),
        pytest.param(MAINS | BATTERY, True, FIRE, id="fire comes first"),
    ],
)
def test_a_failed_supply_is_a_fault_of_the_panel(supply: int, state: int, *, fire: bool) -> None:
    panel = FirePanel(1)
    if fire:
        panel.put(1, FIRE)
    panel.supply(supply, failed=True)
    assert panel.state == state
    panel.supply(supply, failed=False)
    assert panel.state == (FIRE if fire else NORMAL)


MOVES = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 3), st.sampled_from([FIRE, FAULT, DISABLED])),
    st.tuples(st.sampled_from(["end"]), st.sampled_from([FIRE, FAULT, DISABLED]), st.just(0)),
    st.tuples(st.sampled_from(["reset", "mute", "wait"]), st.just(0), st.just(0)),
)


@given(st.lists(MOVES, max_size=20))
def test_without_causes_after_a_reset_every_panel_is_normal(moves: list[tuple]) -> None:
    panel = FirePanel(3)
    for kind, first, second in moves:
        match kind:
            case "put":
                panel.put(first, second)
            case "end":
                panel.end(first)
            case "wait":
                pass_(panel, 5)
            case _:
                getattr(panel, kind)()
        assert panel.sounding <= (FIRE in panel.detectors)
    for cause in (FIRE, FAULT, DISABLED):
        panel.end(cause)
    panel.reset()
    pass_(panel, LOOK_AGAIN_S + 1)
    assert panel.detectors == [NORMAL] * 3


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        pytest.param(FIRE, "0300", id="fire"),
        pytest.param(FAULT | MAINS << 8, "0501", id="mains"),
        pytest.param(FIRE | (MAINS | BATTERY) << 8, "0303", id="fire, both supplies"),
    ],
)
def test_supply_faults_are_bits_of_the_system(code: int, flags: str) -> None:
    assert gb26875.system_state(code, NOON).hex() == "01010101" + flags + TIME


def test_an_operation_worked_out_by_hand() -> None:
    assert gb26875.operation(MUTE, 7, NOON).hex() == "040101010207" + TIME


def test_the_edge_reads_both_as_they_were_meant() -> None:
    (done,) = data.decoded(gb26875.operation(MUTE, 7, NOON)).items
    assert isinstance(done, data.Operation)
    assert (done.system, done.flags, done.operator) == (1, MUTE, 7)
    (state,) = data.decoded(gb26875.system_state(FAULT | MAINS << 8, NOON)).items
    assert isinstance(state, data.State)
    assert (state.word, bool(state.bits & 1 << 8), bool(state.bits & 1 << 9)) == (2, True, False)


def test_the_transmission_device_tells_what_persons_did_and_then_what_changed() -> None:
    panel = FirePanel(60)
    device = Transmitter(panel, bytes(6), lambda: NOON)
    assert list(device._changes()) != []  # noqa: SLF001 - all of it, the first time
    panel.put(7, FIRE)
    panel.mute()
    told = [data.hex()[:2] for data in device._changes()]  # noqa: SLF001
    assert told == ["04", "02", "01"]
    panel.end(FIRE)
    panel.reset()
    first, *rest = device._changes()  # noqa: SLF001
    assert first == gb26875.operation(RESET, 1, NOON)
    assert [data.hex()[:2] for data in rest] == ["02", "01"]
    assert list(device._changes()) == []  # noqa: SLF001
