"""What an edge says is wrong with itself is an alarm, and is over when it no longer says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.troubles import CALM_S, TROUBLES, Troubles
from tests.fakes_server import EDGE, House, house
from watchkeeper.ids import EdgeId

BEHIND = "behind/meters"
HERE = EdgeId(EDGE)
KNOWN = {trouble.rule for trouble in TROUBLES}


@pytest.fixture
def here(folder: Path) -> Iterator[House]:
    with house(folder) as made:
        yield made


def says(here: House, seconds: int, **more: object) -> None:
    """Let the edge say how it is every ten seconds for so long."""
    for _ in range(0, seconds, 10):
        here.state("online", **more)
        here.pass_(10)


def rules(here: House) -> list[tuple[str, str]]:
    return [(a["rule"], a["life"]) for a in here.alarms() if a["rule"] in KNOWN]


@pytest.mark.serves("A3")
@pytest.mark.serves("C1")
def test_a_bus_that_stays_behind_is_an_alarm_that_names_edge_and_bus(here: House) -> None:
    says(here, 50, health={BEHIND: 1, "behind/lifts": 0})
    assert rules(here) == []
    says(here, 10, health={BEHIND: 1})
    alarm = here.alarm("bus-behind")
    assert (alarm["point"], alarm["handling"]) == ("plant-b1/meters", "normal")
    assert "plant-b1" in alarm["title"]["zh"]
    assert "meters" in alarm["title"]["zh"]
    assert alarm["title"]["en"] == "Bus meters of edge plant-b1 cannot keep its rates"
    says(here, 10, health={BEHIND: 0})
    assert rules(here) == [("bus-behind", "returned")]


def test_a_bus_that_was_behind_for_a_moment_is_none(here: House) -> None:
    for _ in range(5):
        says(here, 30, health={BEHIND: 1})
        says(here, 30, health={BEHIND: 0})
    assert rules(here) == []


@pytest.mark.serves("C1")
def test_over_a_restart_of_the_server_the_alarm_stays_and_ends(here: House) -> None:
    says(here, 70, health={BEHIND: 1, "journals_damaged": 1})
    before = sorted(rules(here))
    assert before == [("bus-behind", "unacknowledged"), ("journal-damaged", "unacknowledged")]
    here.close()
    here.open()
    assert sorted(rules(here)) == before
    says(here, 70, health={BEHIND: 1, "journals_damaged": 1})
    assert sorted(rules(here)) == before
    assert here.alarm("bus-behind")["count"] == 1
    says(here, 10, boot="b2", health={BEHIND: 0, "journals_damaged": 0})
    assert {life for _, life in rules(here)} == {"returned"}


@pytest.mark.serves("C1")
def test_while_the_edge_is_lost_nobody_knows(here: House) -> None:
    says(here, 30, health={BEHIND: 1})
    here.state("lost")
    for _ in range(30):
        here.pass_(10)
    assert ("bus-behind", "unacknowledged") not in rules(here), "its delay stands still"
    says(here, 50, health={BEHIND: 1}, connection=2)
    assert here.alarm("bus-behind")["life"] == "unacknowledged"
    here.state("lost", connection=2)
    here.pass_(60)
    assert here.alarm("bus-behind")["life"] == "unacknowledged", "not over because it is silent"


@pytest.mark.serves("A6")
def test_readings_are_being_given_up_while_their_number_rises(here: House) -> None:
    says(here, 90, health={"readings_missing": 500})
    assert rules(here) == [], "given up before we looked"
    says(here, 10, health={"readings_missing": 700})
    assert rules(here) == [("readings-given-up", "unacknowledged")]
    says(here, 50, health={"readings_missing": 700})
    assert rules(here) == [("readings-given-up", "unacknowledged")]
    says(here, 30, health={"readings_missing": 700})
    assert rules(here) == [("readings-given-up", "returned")]
    says(here, 10, boot="b2", health={"readings_missing": 1})
    assert rules(here) == [("readings-given-up", "unacknowledged")]


def test_devices_left_out_are_told(here: House) -> None:
    says(here, 10, health={"devices_left_out": 2})
    assert rules(here) == [("devices-left-out", "unacknowledged")]


@pytest.mark.serves("C1")
def test_an_edge_that_is_there_and_not_heard_is_an_alarm(here: House) -> None:
    says(here, 20, health={"events_unheard": 1, "readings_unheard": 1})
    alarm = here.alarm("events-unheard")
    assert (alarm["priority"], alarm["handling"]) == (1, "life_safety")
    assert alarm["title"]["en"] == "Events of edge plant-b1 do not arrive"
    assert rules(here) == [("events-unheard", "unacknowledged")], "a store may be away for a moment"
    says(here, 110, health={"events_unheard": 0, "readings_unheard": 1})
    assert here.alarm("readings-unheard")["life"] == "unacknowledged"
    says(here, 10, health={"events_unheard": 0, "readings_unheard": 0})
    assert {life for _, life in rules(here)} == {"returned"}


def test_every_trouble_has_its_rule_and_silence_says_nothing(here: House) -> None:
    known = here.server.parts.rules.rules
    assert all(known[each.rule].signal for each in TROUBLES)
    assert list(Troubles().hear(HERE, "b1", {"cpu_share": 0.5}, 0.0)) == []


def test_a_rising_figure_that_was_out_of_sight_is_watched_anew() -> None:
    troubles, key = Troubles(), "readings_missing"
    assert list(troubles.hear(HERE, "b1", {key: 0}, 0.0)) == []
    assert [each.so for each in troubles.hear(HERE, "b1", {key: 0}, CALM_S)] == [False]
    assert [each.so for each in troubles.lost(HERE)] == [None]
    assert list(troubles.lost(HERE)) == []
    assert list(troubles.hear(HERE, "b1", {key: 0}, 500.0)) == []
    assert [each.so for each in troubles.hear(HERE, "b1", {key: 0}, 500.0 + CALM_S)] == [False]
