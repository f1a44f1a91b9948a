"""What hangs on what on the demonstration's site, by its rules and its site file."""

import pytest

from server import rules
from server.rules import Rulebook
from watchkeeper import site
from watchkeeper.settings import Settings


@pytest.fixture(scope="module")
def book() -> Rulebook:
    catalog = Settings().catalog_folder()
    plant = site.load(catalog / "sites/riverside-plaza.yaml", catalog / "profiles")
    return rules.load(catalog / "rules", plant)


def roots(book: Rulebook, key: str) -> set[str]:
    watch = book.get(key)
    assert watch is not None, key
    return set(watch.roots)


@pytest.mark.serves("C3")
def test_nothing_explains_an_alarm_of_life_safety(book: Rulebook) -> None:
    every = [*book.watches.values(), *book.stale.values()]
    grave = [each for each in every if each.rule.handling == "life_safety"]
    assert grave
    assert [each.key for each in grave if each.roots] == []


def test_silence_is_explained_by_bus_edge_broker_and_power(book: Rulebook) -> None:
    assert roots(book, "meter-silent|tenant-a1/active_power") >= {
        "bus-silent|plant-b1/meters",
        "edge-lost|plant-b1/state",
        "broker-lost|server/broker",
        "mains-failed|gen-1/mains_voltage_l1",
        "voltage-low|main-1/voltage_l1",
    }


def test_a_feeder_explains_what_it_feeds_and_no_other(book: Rulebook) -> None:
    found = roots(book, "meter-silent|tenant-b1/active_power")
    assert "voltage-low|main-2/voltage_l1" in found
    assert "voltage-low|main-1/voltage_l1" not in found


def test_an_air_handler_explains_the_rooms_it_serves(book: Rulebook) -> None:
    assert "voltage-low|main-1/voltage_l1" in roots(book, "room-hot|room-lift-a/temperature")
    assert not any("main-" in each for each in roots(book, "room-hot|room-control/temperature"))


def test_no_alarm_explains_itself_even_where_feeders_form_a_ring(book: Rulebook) -> None:
    every = [*book.watches.values(), *book.stale.values()]
    assert [each.key for each in every if each.key in each.roots] == []
