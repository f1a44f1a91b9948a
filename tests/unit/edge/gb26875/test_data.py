from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drivers.gb26875.v2011 import data
from edge.drivers.gb26875.v2011.data import Flag, Note, Operation, State, Told, Value
from simulators import gb26875

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
TIME = bytes((0, 0, 12, 23, 11, 26))


def word(bits: int, *, system: int | None = 1, kind: int | None = 42) -> int:
    return State(system, 1, kind, 5, bits, "", TIME).word


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        pytest.param(0b0001, data.NORMAL, id="idle"),
        pytest.param(0b0000, data.TEST, id="no bit at all is test, not normal"),
        pytest.param(0b0011, data.FIRE, id="fire"),
        pytest.param(0b0010, data.FIRE, id="a fire in test is told as fire"),
        pytest.param(0b0111, data.FIRE, id="fire before fault"),
        pytest.param(0b0101, data.FAULT, id="fault"),
        pytest.param(0b1101, data.FAULT, id="fault before disabled"),
        pytest.param(0b1001, data.DISABLED, id="disabled"),
        pytest.param(1 | 1 << 8, data.FAULT, id="power fault"),
        pytest.param(1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7, data.NORMAL, id="not wrong"),
    ],
)  # fmt: skip
def test_component_bits_become_the_words_of_every_panel(bits: int, expected: int) -> None:
    assert word(bits) == expected


def test_supply_and_bus_faults_of_a_system_are_faults() -> None:
    assert [word(1 | 1 << bit, kind=None) for bit in (8, 9, 10)] == [data.FAULT] * 3
    assert [word(1 | 1 << bit, kind=None) for bit in (11, 12, 13)] == [data.NORMAL] * 3


def test_the_device_has_faults_of_its_own_and_nothing_disabled() -> None:
    bits = [word(1 | 1 << bit, system=None, kind=None) for bit in range(1, 8)]
    assert bits == [data.FIRE, *[data.FAULT] * 5, data.NORMAL]


codes = st.lists(
    st.tuples(st.integers(1, 0xFFFFFFFF), st.sampled_from(range(5))), min_size=1, max_size=60
)


@given(codes)
def test_the_simulators_states_are_read_back(states: list[tuple[int, int]]) -> None:
    told = [data.decoded(each) for each in gb26875.component_states(states, NOON)]
    items = [item for each in told for item in each.items if isinstance(item, State)]
    assert [(item.address, item.word) for item in items] == states
    assert {(item.system, item.panel, item.type) for item in items} == {(1, 1, 42)}
    assert not any(each.odd for each in told)


def test_values_systems_devices_and_operations_are_read() -> None:
    assert data.decoded(gb26875.tank_level(2.85, NOON)).items == (
        Value(12, 1, 92, 1, 2, 285, TIME),
    )
    assert data.decoded(gb26875.system_state(2, NOON)).items == (State(1, 1, None, 1, 5, "", TIME),)
    assert data.decoded(gb26875.device_state(NOON)).items == (State(None, 0, None, 0, 1, "", TIME),)
    answer = data.decoded(gb26875.duty_answer(3, NOON)).items
    assert answer == (Operation(None, 0, data.DUTY_ANSWER, 3, TIME),)
    pressed = data.decoded(bytes((4, 1, 1, 1, 0b1, 9)) + TIME).items
    assert pressed == (Operation(1, 1, 1, 9, TIME),)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        pytest.param(bytes((5, 1, 1, 1, 2, 7)), "2.7", id="version"),
        pytest.param(bytes((6, 1, 1, 1, 4)) + "海湾".encode("gb18030"), "海湾", id="configuration"),
        pytest.param(
            bytes((7, 1, 1, 1, 42, 5, 2, 0, 0)) + "3层".encode("gb18030").ljust(31, b"\0"), "3层",
            id="component",
        ),
        pytest.param(bytes((8, 1, 1, 1)) + TIME, "00 00 0c 17 0b 1a", id="clock"),
        pytest.param(bytes((25, 1, 1, 0)), "1.0", id="device version"),
        pytest.param(bytes((26, 1, 2, 0x41, 0x42)), "AB", id="device configuration"),
        pytest.param(bytes((28, 1)) + TIME, "00 00 0c 17 0b 1a", id="device clock"),
    ],
)  # fmt: skip
def test_descriptions_are_notes(octets: bytes, text: str) -> None:
    told = data.decoded(octets)
    assert (told.items, told.odd) == ((Note(octets[0], text),), "")


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        pytest.param(b"", Told(data.NO_FLAG), id="nothing"),
        pytest.param(b"\x00", Told(0), id="a heartbeat of one byte"),
        pytest.param(bytes((200, 1, 5)), Told(200, (), "unknown type"), id="a maker's own type"),
        pytest.param(bytes((6, 2, 1, 1, 9)), Told(6, (), "fewer objects than announced"),
                     id="a text cut short"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named(octets: bytes, told: Told) -> None:
    assert data.decoded(octets) == told


def test_a_variant_does_not_hide_the_fire_before_it() -> None:
    (octets,) = gb26875.component_states([(7, 1), (8, 0)], NOON)
    told = data.decoded(octets[:-3])
    assert [item.word for item in told.items if isinstance(item, State)] == [data.FIRE]
    assert told.odd == "fewer objects than announced"
    assert data.decoded(octets + b"\0").odd == "more bytes than objects"


def test_a_text_that_is_no_gb18030_is_marked() -> None:
    octets = bytes((7, 1, 1, 1, 42, 5, 2, 0, 0)) + b"\xff\xff".ljust(31, b"\0")
    (note,) = data.decoded(octets).items
    assert isinstance(note, Note)
    assert "\N{REPLACEMENT CHARACTER}" in note.text


def test_questions_are_cut_so_that_their_answers_fit() -> None:
    parts = [(1, 1, address) for address in range(50)]
    asked = list(data.read_components(Flag.READ_COMPONENT_STATE, parts))
    assert [each[1] for each in asked] == [22, 22, 6]
    assert [a for each in asked for a in gb26875.asked_components(each)] == list(range(50))
    assert list(data.read_systems([(1, 2)])) == [bytes((61, 1, 1, 2))]
    assert data.read_device() == bytes((81, 1, 0))


def test_commands_are_as_the_standard_draws_them() -> None:
    assert data.set_clock(NOON) == bytes((90, 1)) + TIME
    assert data.duty_check(5) == bytes((91, 1, 5))
