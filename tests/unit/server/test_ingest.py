from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from server import events, wiring
from server.acks import merged
from server.parts import Parts
from server.unit import Reactions, Table, Unit
from tests.fakes import FixedClock
from tests.fakes_history import MemoryHistory
from tests.fakes_server import House, house
from watchkeeper import topics, wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality

FIRE, OTHER = "fire-panel/detector-07", "fire-panel/detector-08"
POWER = "hvac-1/active_power"  # rated 200 kW, on-delay 5 s, deadband 5 %, off-delay 10 s


@pytest.fixture
def here(folder: Path) -> Iterator[House]:
    with house(folder) as made:
        made.birth()
        yield made


@pytest.mark.serves("C1")
def test_an_event_raises_an_alarm_and_is_acknowledged_after_the_commit(here: House) -> None:
    event = here.event(FIRE, 1.0)
    alarm = here.alarm("detector-fire")
    assert (alarm["priority"], alarm["handling"], alarm["zone"]) == (1, "life_safety", "zone-1")
    assert alarm["title"]["zh"] == "A 座防火分区 7 号探测器 火警"
    assert here.acks() == [wire.Ack("event", event.journal, [(event.sequence, event.sequence)], [])]


def test_a_replayed_event_is_acknowledged_again_and_changes_nothing(here: House) -> None:
    first = here.event(FIRE, 1.0)
    here.event(FIRE, 1.0, id=first.id, sequence=first.sequence, at=first.at)
    assert here.alarm("detector-fire")["count"] == 1
    assert [ack.ok for ack in here.acks()] == [[(first.sequence, first.sequence)]] * 2


def test_an_unknown_birth_is_asked_for_and_its_events_wait_for_it(folder: Path) -> None:
    with house(folder) as here:
        here.event(FIRE, 1.0)
        assert here.alarms() == []
        assert here.acks() == []
        assert [wire.decode_ask_birth(p).hash for p in here.bus.sent("down/birth")] == [here.hash]
        for part in here.births:
            here.say("oldbirth", part)
        here.settle()
        assert here.alarm("detector-fire")["point"] == FIRE
        assert len(here.acks()) == 1


def test_an_alias_the_birth_does_not_have_is_acknowledged_bad(here: House) -> None:
    here.event(FIRE, 1.0, alias=100_000)
    (ack,) = here.acks()
    assert (ack.ok, ack.bad) == ([], [(1, "alias")])


def test_what_cannot_be_read_stops_nothing(here: House) -> None:
    here.bus.deliver(topics.up("riverside", "plant-b1", "event"), b"{]")
    here.bus.deliver(topics.up("riverside", "plant-b1", "state"), b"{]")
    here.event(FIRE, 1.0)
    assert here.alarm("detector-fire")


def test_flapping_counts_on_one_alarm(here: House) -> None:
    for _ in range(12):
        here.event(FIRE, 1.0)
        here.clock.pass_(2)
        here.event(FIRE, 0.0)
        here.clock.pass_(2)
    alarm = here.alarm("detector-fire")
    assert (alarm["count"], alarm["life"]) == (12, "returned")


def test_an_old_event_never_changes_the_present_but_is_recorded(here: House) -> None:
    here.event(FIRE, 0.0)
    here.event(FIRE, 1.0, ago_s=60)
    alarm = here.alarm("detector-fire")
    assert (alarm["life"], alarm["late"]) == ("returned", True)


def test_a_clock_that_is_not_synchronised_is_not_believed(here: House) -> None:
    here.event(FIRE, 0.0, at=here.ms(8 * 3600), synchronised=0)
    here.clock.pass_(1)
    here.event(FIRE, 1.0)
    assert here.alarm("detector-fire")["life"] == "unacknowledged"


def test_a_snapshot_corrects_the_state_and_is_not_acknowledged(here: House) -> None:
    here.snapshot({FIRE: 1.0, OTHER: 0.0})
    assert here.alarm("detector-fire")["point"] == FIRE
    here.clock.pass_(1)
    here.snapshot({FIRE: 0.0, OTHER: None})
    assert here.alarm("detector-fire")["life"] == "returned"
    assert here.acks() == []


def test_an_older_snapshot_yields_to_a_newer_event(here: House) -> None:
    here.event(FIRE, 1.0)
    here.snapshot({FIRE: 0.0}, ago_s=5)
    assert here.alarm("detector-fire")["life"] == "unacknowledged"


def test_unknown_is_not_normal(here: House) -> None:
    here.event(FIRE, 1.0)
    here.clock.pass_(1)
    here.event(FIRE, None)
    assert here.alarm("detector-fire")["life"] == "unacknowledged"
    assert here.value(FIRE) is None


def test_an_overload_rings_after_its_delay_and_is_over_below_the_deadband(here: House) -> None:
    here.data(POWER, (0, 250_000.0))
    here.pass_(4)
    assert here.alarms() == []
    here.pass_(1)
    assert here.alarm("feeder-overload")["limit"] == 200_000
    here.data(POWER, (0, 195_000.0))  # inside the deadband of 5 %
    here.pass_(11)
    assert here.alarm("feeder-overload")["life"] == "unacknowledged"
    here.data(POWER, (0, 180_000.0))
    here.pass_(10)
    assert here.alarm("feeder-overload")["life"] == "returned"


def test_a_short_peak_inside_one_batch_does_not_ring(here: House) -> None:
    here.data(POWER, (-3, 150_000.0), (-2, 250_000.0), (-1, 150_000.0))
    here.pass_(10)
    assert here.alarms() == []


def test_a_gap_freezes_a_delay(here: House) -> None:
    here.data(POWER, (0, 250_000.0))
    here.clock.pass_(3)
    here.data(POWER, (0, None))
    here.pass_(20)
    assert here.alarms() == []
    here.data(POWER, (0, 250_000.0))
    here.pass_(1.9)
    assert here.alarms() == []
    here.pass_(0.2)
    assert here.alarm("feeder-overload")


@pytest.mark.parametrize("mode", ["back"])
def test_backlog_never_rings(here: House, mode: str) -> None:
    here.data(POWER, (-60, 250_000.0), (-30, 250_000.0), mode=mode)
    here.pass_(10)
    assert here.alarms() == []
    assert here.value(POWER) is None


def test_a_live_reading_older_than_the_newest_changes_nothing(here: House) -> None:
    here.data(POWER, (0, 150_000.0))
    here.data(POWER, (-20, 250_000.0), (-10, 250_000.0))
    here.pass_(10)
    assert here.alarms() == []
    assert here.value(POWER) == 150_000


def test_a_delay_survives_a_restart_and_fires_once(here: House) -> None:
    here.data(POWER, (0, 250_000.0))
    here.clock.pass_(3)
    here.close()
    here.open()
    here.birth()
    here.pass_(2)
    assert here.alarm("feeder-overload")["count"] == 1
    here.pass_(60)
    assert here.alarm("feeder-overload")["count"] == 1


@pytest.mark.serves("C6")
def test_a_silent_point_is_unknown_and_a_silent_panel_critical(here: House) -> None:
    here.state("online")
    here.snapshot({"fire-panel/panel_state": 0.0})
    for _ in range(3):
        here.clock.pass_(6)
        here.state("online")
    here.pass_(0)
    assert here.value("fire-panel/panel_state") is None
    assert here.alarm("panel-silent")["priority"] == 1
    here.snapshot({"fire-panel/panel_state": 0.0})
    here.pass_(0)
    assert here.alarm("panel-silent")["life"] == "returned"
    assert here.value("fire-panel/panel_state") == 0


@pytest.mark.serves("C6")
def test_a_lost_edge_is_one_alarm_and_its_points_are_stale_at_once(here: House) -> None:
    here.state("online")
    here.data(POWER, (0, 1_000.0))
    here.state("lost")
    here.pass_(0)
    assert here.value(POWER) is None
    assert [alarm["rule"] for alarm in here.alarms()] == ["edge-lost"]
    here.pass_(120)
    assert [alarm["rule"] for alarm in here.alarms()] == ["edge-lost"]
    here.state("online", connection=2)
    assert here.alarm("edge-lost")["life"] == "returned"


def test_an_edge_that_is_online_at_start_ends_its_alarm_from_before(here: House) -> None:
    here.state("online")
    here.state("lost")
    assert here.alarm("edge-lost")["life"] == "unacknowledged"
    here.close()
    here.open()
    here.pass_(31)
    lost = here.alarm("edge-lost")
    assert (lost["life"], lost["count"]) == ("unacknowledged", 1)
    here.state("online", boot="b2")
    assert here.alarm("edge-lost")["life"] == "returned"


def test_an_old_will_does_not_lose_an_edge(here: House) -> None:
    here.state("online", connection=2)
    here.state("lost", connection=1)
    here.state("lost", boot="b0", connection=9)
    assert here.alarms() == []


def test_an_edge_that_says_nothing_for_30_s_is_lost(here: House) -> None:
    here.state("online")
    here.pass_(30)
    assert here.alarms() == []
    here.pass_(1)
    assert here.alarm("edge-lost")["unit"] == "plant-b1"


def test_a_lost_broker_is_one_alarm_not_one_for_each_edge(here: House) -> None:
    here.state("online")
    here.bus.lose()
    for _ in range(40):
        here.pass_(1)
    assert "edge-lost" not in {alarm["rule"] for alarm in here.alarms()}
    assert here.alarm("broker-lost")


@pytest.mark.serves("C1")
def test_a_failing_reaction_hides_no_alarm_whose_delay_is_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: events.AlarmRaised) -> None:
        raise ZeroDivisionError

    nothing: Table = dict.fromkeys(events.Event.__args__, ())
    broken: Table = {**nothing, events.AlarmRaised: (fails,)}
    monkeypatch.setattr(wiring, "reactions", lambda _: lambda _: broken)
    monkeypatch.setattr(wiring, "essential", lambda _: lambda _: nothing)
    with house(folder) as here:
        here.birth()
        here.data(POWER, (0, 250_000.0))
        here.pass_(5)
        assert {a["rule"] for a in here.alarms()} == {"feeder-overload", "reaction-failed"}


def test_a_failing_reaction_never_hides_an_alarm(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    broken = [True]

    def full(_: Parts) -> Reactions:
        def order(event: events.AlarmRaised) -> None:
            if broken:
                raise ZeroDivisionError
            told.append(f"order for {event.rule}")

        def table(_: Unit) -> Table:
            return dict.fromkeys(events.Event.__args__, ()) | {events.AlarmRaised: (order,)}

        return table

    def essence(_: Parts) -> Reactions:
        def duty(event: events.AlarmRaised) -> None:
            told.append(f"duty message for {event.rule}")

        return lambda _: dict.fromkeys(events.Event.__args__, ()) | {events.AlarmRaised: (duty,)}

    monkeypatch.setattr(wiring, "reactions", full)
    monkeypatch.setattr(wiring, "essential", essence)
    with house(folder) as here:
        here.birth()
        here.event(FIRE, 1.0)
        assert {alarm["rule"] for alarm in here.alarms()} == {"detector-fire", "reaction-failed"}
        assert told == ["duty message for detector-fire", "duty message for reaction-failed"]
        assert len(here.acks()) == 1
        broken.clear()
        here.pass_(60)
        assert told[2] == "order for detector-fire"


def test_acknowledgements_are_merged_into_ranges() -> None:
    assert merged([3, 1, 2, 7, 9, 8, 3]) == [(1, 3), (7, 9)]
    assert merged([]) == []


def test_events_older_than_90_days_are_forgotten(here: House) -> None:
    here.event(FIRE, 0.0)
    here.clock.pass_(91 * 86_400)
    here.event(OTHER, 0.0)
    here.server.sweep.tidy()
    here.settle()
    with here.server.parts.read.connect() as connection:
        kept = connection.execute(sa.text("select point from event_seen")).scalars().all()
    assert kept == [OTHER]


def test_a_point_outside_the_site_file_is_acknowledged_and_left_alone(here: House) -> None:
    stranger = [wire.BornPoint(0, "nobody/knows", "bool", "", "fault")]
    name = wire.birth_hash(stranger)
    here.say("birth/0", wire.Birth("b1", name, 0, 1, "0", "c", stranger))
    here.event(FIRE, 1.0, alias=0, birth=name)
    assert here.alarms() == []
    assert len(here.acks()) == 1


def test_a_quality_is_shown_as_it_came(here: House) -> None:
    here.data(POWER, (0, 1.0), qualities=[(0, int(Quality.OUTSIDE_USUAL))])
    (shown,) = here.server.parts.latest.show([POWER])
    assert (shown["quality"], shown["value"]) == (Quality.OUTSIDE_USUAL, 1.0)


def test_an_answer_without_a_report_keeps_a_value_fresh(here: House) -> None:
    here.data(POWER, (0, 1_000.0))
    for _ in range(12):
        here.clock.pass_(10)
        here.state("online", ages={"hvac-1": 1.0, "hvac-2": 1.0})
    here.pass_(0)
    assert here.value(POWER) == 1_000
    assert here.value("hvac-2/active_power") is None  # it answers, and never said a value
    assert "hvac-1" not in {alarm["unit"] for alarm in here.alarms()}
    assert here.alarm("meter-silent", "main-1/active_power")


def test_what_is_stale_waits_for_a_reading(here: House) -> None:
    here.data(POWER, (0, 1_000.0))
    here.state("lost")
    here.pass_(0)
    here.state("online", connection=2, ages={"hvac-1": 0.1})
    here.pass_(0)
    assert here.value(POWER) is None
    here.pass_(1)
    here.data(POWER, (0, 900.0))
    assert here.value(POWER) == 900


def test_a_restarted_server_begins_with_what_the_store_has_that_is_fresh(folder: Path) -> None:
    history = MemoryHistory()
    start = FixedClock().now()
    old, fresh = PointId("main-1/active_power"), PointId(POWER)
    numbers = history.series([old, fresh]).tolist()
    ages = {numbers[0]: 600, numbers[1]: 20}
    history.write(
        Batch(
            np.array(list(ages), np.uint32),
            np.array([unix_ms(start - timedelta(seconds=age)) for age in ages.values()], np.int64),
            np.array([250_000.0, 250_000.0]),
            np.zeros(2, np.uint8),
        )
    )
    with house(folder, history) as here:
        assert (here.value(old), here.value(fresh)) == (None, 250_000)
        here.pass_(10)
        assert here.alarms() == []  # history never rings
