"""The gateways as the server hears them, what does not keep up, and the alarms about it."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server.overload import ASIDE_HIGH, TROUBLES, WRITER_LONG, Own
from tests.fakes_server import House, house

OURS = {trouble.rule for trouble in TROUBLES}
LIMIT = 5_000.0


@pytest.fixture
def here(folder: Path) -> Iterator[House]:
    with house(folder) as made:
        made.attended = False
        made.state("online")
        yield made


def says(here: House, seconds: int, **health: float) -> None:
    """Let the gateway say how it is every ten seconds for so long; time goes second by second."""
    for second in range(seconds):
        if second % 10 == 0:
            here.gateway(**{"queue_limit": LIMIT, **health})
            here.state("online")
        here.pass_(1)


def rules(here: House) -> dict[str, str]:
    return {a["rule"]: a["life"] for a in here.alarms() if a["rule"] in OURS}


def health(here: House) -> dict[str, Any]:
    with TestClient(here.server.app) as client:
        found: dict[str, Any] = client.get("/api/v1/health").json()
    return found


def reasons(here: House) -> list[tuple[str, str]]:
    return [(each["what"], each["where"]) for each in health(here)["reasons"]]


@pytest.mark.serves("H3")
def test_health_lists_the_gateways_with_their_figures(here: House) -> None:
    here.gateway(readings=12, queued=3, quarantined=1, queue_limit=LIMIT)
    here.gateway(name="gateway-2")
    here.gateway("lost", name="gateway-2")
    here.pass_(2)
    found = health(here)
    figures = {"readings": 12, "quarantined": 1, "queued": 3}
    assert found["gateways"] == {
        "gateway-1": {"state": "online", "age_s": 2.0, **figures},
        "gateway-2": {"state": "lost", "age_s": 2.0},
    }
    assert (found["overloaded"], found["reasons"]) == (False, [])


def test_a_gateway_is_lost_by_its_will_or_by_silence(here: House) -> None:
    here.gateway()
    here.gateway(name="g2")
    here.gateway("lost", name="g2", boot="an older life")  # a will that came late
    here.server.gateways.received("wk/1/gateway/g3/state", b"no state")
    assert [said.name for said in here.server.gateways.there() or []] == ["gateway-1", "g2"]
    here.pass_(31)
    assert here.server.gateways.there() == []
    here.gateway(name="g2")
    here.server.gateways.received("wk/1/gateway/g2/state", b"")  # cleared by hand
    assert list(here.server.gateways.show()) == ["gateway-1"]
    here.pass_(3_600)
    assert here.server.gateways.show() == {}


@pytest.mark.serves("C1")
def test_without_any_gateway_for_half_a_minute_there_is_an_alarm_that_ends_by_itself(
    here: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server.gateways")
    says(here, 20)
    here.gateway("lost")
    for _ in range(30):
        here.pass_(1)
    assert rules(here) == {}
    here.pass_(1)
    assert rules(here) == {"gateway-lost": "unacknowledged"}
    assert here.alarm("gateway-lost")["title"]["en"] == "No gateway is there"
    says(here, 10)
    assert rules(here) == {"gateway-lost": "returned"}
    said = [each.message for each in caplog.records if each.name == "server.gateways"]
    assert said == [
        "gateway gateway-1 is there",
        "gateway gateway-1 is lost",
        "gateway gateway-1 is there",
    ]


def test_one_gateway_of_two_that_goes_is_no_alarm(here: House) -> None:
    here.gateway("lost", name="gateway-2")
    says(here, 60)
    assert rules(here) == {}


@pytest.mark.serves("C1")
def test_while_the_broker_is_away_nothing_is_known_of_gateways(here: House) -> None:
    says(here, 70, store_away=1)
    before = rules(here)
    assert before["history-away"] == "unacknowledged"
    here.bus.lose()
    for _ in range(9):
        here.pass_(10)
    assert rules(here) == before, "neither lost nor over"
    assert here.server.gateways.there() is None
    here.bus.come_back()
    for _ in range(31):
        here.pass_(1)
    assert rules(here)["gateway-lost"] == "unacknowledged"


@pytest.mark.serves("C1")
def test_a_store_that_is_away_is_an_overload_at_once_and_an_alarm_after_a_minute(
    here: House,
) -> None:
    says(here, 10)
    assert health(here)["overloaded"] is False
    says(here, 10, store_away=1)
    assert reasons(here) == []
    says(here, 2, store_away=1)
    assert reasons(here) == [("store-away", "gateway-1")]
    says(here, 40, store_away=1)
    assert "history-away" not in rules(here)
    says(here, 10, store_away=1)
    assert rules(here)["history-away"] == "unacknowledged"
    assert rules(here)["platform-overloaded"] == "unacknowledged"
    says(here, 70)
    assert rules(here) == {"history-away": "returned", "platform-overloaded": "returned"}
    assert health(here)["overloaded"] is False


@pytest.mark.serves("C1")
def test_over_a_restart_of_the_server_the_alarms_stay_and_end(here: House) -> None:
    says(here, 70, store_away=1, quarantined=0)
    says(here, 10, store_away=1, quarantined=500)
    before = rules(here)
    assert set(before) == {"history-away", "platform-overloaded", "quarantine-rising"}
    here.close()
    here.open()
    assert rules(here) == before
    says(here, 20, store_away=1, quarantined=500)
    assert rules(here) == before
    assert {a["count"] for a in here.alarms() if a["rule"] in OURS} == {1}
    says(here, 140, quarantined=500)
    assert set(rules(here).values()) == {"returned"}


@pytest.mark.serves("B4")
def test_readings_put_aside_ring_above_one_rate_and_end_below_another(here: House) -> None:
    put_aside = 40.0
    says(here, 70, quarantined=put_aside)
    assert rules(here) == {}
    says(here, 10, quarantined=put_aside + ASIDE_HIGH)
    assert rules(here) == {}, "exactly the limit"
    put_aside += ASIDE_HIGH + 1
    says(here, 10, quarantined=put_aside)
    assert rules(here) == {"quarantine-rising": "unacknowledged"}
    for _ in range(9):  # 60 a minute: between the two
        put_aside += 10
        says(here, 10, quarantined=put_aside)
    assert rules(here) == {"quarantine-rising": "unacknowledged"}
    says(here, 70, quarantined=put_aside)
    assert rules(here) == {"quarantine-rising": "returned"}


def test_batches_refused_count_and_a_gateway_that_starts_anew_counts_from_nought(
    here: House,
) -> None:
    says(here, 10, quarantined=9_000, refused=80)
    here.gateway(boot="g2", quarantined=60, refused=41, queue_limit=LIMIT)
    here.pass_(1)
    assert rules(here) == {"quarantine-rising": "unacknowledged"}


@pytest.mark.parametrize(
    ("figures", "found"),
    [
        pytest.param({"queued": 2_500}, [], id="half full"),
        pytest.param({"queued": 2_501}, [("gateway-queue", "gateway-1")], id="more than half"),
        pytest.param({"dropped": 1}, [("gateway-drops", "gateway-1")], id="drops"),
    ],
)
def test_what_a_gateway_says_of_its_queue(
    here: House, figures: dict[str, float], found: list[tuple[str, str]]
) -> None:
    says(here, 10, dropped=0)
    says(here, 1, **figures)
    assert reasons(here) == found
    assert health(here)["overloaded"] is bool(found)
    says(here, 70, dropped=figures.get("dropped", 0))
    assert reasons(here) == [], "nothing was dropped for a minute"


def test_a_gateway_that_does_not_say_how_long_its_queue_may_be_is_not_judged_by_it(
    here: House,
) -> None:
    here.gateway(queued=4_999)
    here.pass_(1)
    assert reasons(here) == []


@pytest.mark.parametrize(
    ("own", "what"),
    [
        pytest.param(Own(2_501, 5_000, 0, 0), "live-queue", id="live lane behind"),
        pytest.param(Own(0, 5_000, 0, WRITER_LONG + 1), "writer-queue", id="writer behind"),
        pytest.param(Own(0, 5_000, 7, 0), "live-drops", id="live lane drops"),
    ],
)
def test_the_servers_own_queues_count_as_well(
    here: House, own: Own, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(here, 1)
    monkeypatch.setattr(here.server.overload, "_own", lambda: own)
    says(here, 40)
    assert reasons(here) == [(what, "server")]
    assert health(here)["ok"] is False
    assert rules(here) == {"platform-overloaded": "unacknowledged"}
    monkeypatch.setattr(here.server.overload, "_own", lambda: Own(0, 5_000, own.live_dropped, 0))
    says(here, 130)
    assert rules(here) == {"platform-overloaded": "returned"}


def test_the_server_knows_its_own_queues(here: House) -> None:
    assert here.server.overload.now.reasons == ()
    assert here.server._queues() == Own(0, 5_000, 0, 0)  # noqa: SLF001 - what compose hands over


def test_every_trouble_has_its_rule(here: House) -> None:
    known = here.server.parts.rules.rules
    assert all(known[rule].signal for rule in OURS)
