"""Golden scenarios of an alarm's life: a whole server, a real database, killed at its commits."""

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from server.alarms import handlers
from server.alarms.api import here
from server.alarms.model import Sample
from server.notify.store import told_of
from tests.fakes_flags import LIFT, Home, Reaper, Step, lived
from watchkeeper.settings import Settings

FIRE = "fire-panel/detector-07"
HOUR = 3_600.0


@pytest.fixture
def home(tmp_path: Path, url: str) -> Iterator[Home]:
    made = Home(tmp_path, url)
    yield made
    made.close()


def passes(seconds: float) -> Step:
    """Return a step: time goes by; nothing happens yet."""
    return lambda home: home.clock.pass_(seconds)


def timers(home: Home) -> None:
    """Fire what is due."""
    home.fire_timers()


def fault(value: float, name: str) -> Step:
    return lambda home: home.fault(value, name)


def asks(path: str, who: str = "chenlei", **body: object) -> Step:
    """Return a step: a person asks something of the newest lift alarm."""
    return lambda home: home.says(f"{home.all('lift-fault')[0]['id']}/{path}", who, **body)


def flaps() -> list[Step]:
    """Return twelve faults within a minute, and the quiet after them."""
    found: list[Step] = []
    for number in range(12):
        found += [fault(52.0, f"f{number}"), passes(2), fault(0.0, f"f{number}"), passes(3)]
    return [*found, passes(300), timers, passes(HOUR), timers]


def flapped(home: Home) -> None:
    alarm = home.one()
    assert (alarm["count"], alarm["life"], alarm["chatter_since"]) == (12, "returned", None)
    assert home.messages("alarm") == ["alarm"]
    assert home.messages("digest") == ["digest"]
    assert len(home.rows("select id from work_order")) == 1
    logged = [row.what for row in home.rows("select what from alarm_log order by id")]
    assert logged.count("raise") == 12
    third = [i for i, what in enumerate(logged) if what == "raise"][2]
    assert logged[third + 1] == "chatter"
    assert logged.count("chatter") == logged.count("calm") == 1


@pytest.mark.serves("C2")
def test_twelve_flaps_are_one_row_one_message_one_digest_and_one_order(home: Home) -> None:
    lived(home, flaps(), Reaper())
    flapped(home)
    (digest,) = home.rows("select text from message where kind = 'digest' and person = 'chenlei'")
    assert "Quiet for 5 minutes, over now" in digest.text


def shelved(before: list[Step], meanwhile: list[Step]) -> list[Step]:
    """Return an hour of shelving with something in it, and its end."""
    return [
        *before, asks("shelve", minutes=60, reason="known"), passes(60), *meanwhile, passes(HOUR),
        timers, passes(HOUR), timers,
    ]  # fmt: skip


RANG_AND_SEEN = [fault(52.0, "a"), asks("acknowledge"), passes(60)]
RANG_AND_OVER = [fault(52.0, "a"), fault(0.0, "a"), asks("acknowledge"), passes(HOUR)]


def back_and_told(home: Home) -> None:
    old, new = sorted(home.all("lift-fault"), key=lambda each: str(each["id"]))
    assert (old["life"], new["life"], new["flags"]) == ("normal", "unacknowledged", [])
    assert home.messages("alarm") == ["alarm"] * 2
    assert len(home.rows("select id from work_order")) >= 1


@pytest.mark.serves("C2")
def test_what_rang_on_the_shelf_and_still_does_is_told_at_its_end(home: Home) -> None:
    steps = shelved(RANG_AND_OVER, [])
    lived(home, [*steps[:4], steps[4], steps[5], fault(53.0, "b")], Reaper())
    assert home.messages("alarm") == ["alarm"]
    new = home.alarm("lift-fault")
    assert (new["flags"], new["untold"], new["life"]) == (["shelved"], True, "unacknowledged")
    lived(home, [passes(HOUR), timers, passes(HOUR), timers], Reaper())
    back_and_told(home)


def test_what_came_and_went_on_the_shelf_is_in_the_history_and_nobody_is_told(home: Home) -> None:
    lived(home, [*RANG_AND_OVER, asks("shelve", minutes=60, reason="known")], Reaper())
    lived(home, [fault(53.0, "b"), fault(0.0, "b"), passes(HOUR), timers], Reaper())
    assert home.messages("alarm") == ["alarm"]
    new = home.alarm("lift-fault")
    assert (new["life"], new["flags"]) == ("returned", [])
    (flag,) = home.clients["chenlei"].get("/api/v1/alarms/flags?open=false").json()
    assert (flag["ended_why"], flag["ended_by"], flag["reason"]) == ("expired", "timer", "known")


def test_what_was_seen_before_the_shelf_stays_silent_at_its_end(home: Home) -> None:
    lived(home, shelved(RANG_AND_SEEN, []), Reaper())
    assert (home.one()["life"], home.one()["flags"]) == ("acknowledged", [])
    assert home.messages("alarm") == ["alarm"]
    logged = [row.what for row in home.rows("select what from alarm_log order by id")]
    assert logged[-2:] == ["shelved", "shelved-ended"]


def worse(home: Home) -> None:
    """Let the active alarm become more urgent, as a rule with several limits does."""
    watch = home.server.parts.rules.get(f"lift-fault|{LIFT}")
    assert watch is not None
    sample = Sample(home.clock.now(), 53.0)
    home.server.writer.do(
        lambda unit: handlers.grade(watch, 1, sample, here(unit, home.server.parts.new_id))
    ).result(5)


def test_what_got_worse_on_the_shelf_is_told_at_its_end(home: Home) -> None:
    lived(home, shelved(RANG_AND_SEEN, [worse]), Reaper())
    alarm = home.one()
    assert (alarm["life"], alarm["priority"], alarm["priority_max"]) == ("unacknowledged", 1, 1)
    assert home.messages("alarm") == ["alarm"] * 2


def test_what_gets_worse_is_told_at_once_where_no_flag_stands(home: Home) -> None:
    lived(home, [*RANG_AND_SEEN, worse, worse], Reaper())
    assert home.messages("alarm") == ["alarm"] * 2
    titles = [row.title for row in home.rows("select title from message where kind = 'alarm'")]
    assert sum("(was Urgent)" in each for each in titles) == 1


def test_extending_a_shelf_loses_nothing_that_rang_on_it(home: Home) -> None:
    steps = [
        *RANG_AND_OVER, asks("shelve", minutes=60, reason="known"), fault(53.0, "b"), passes(1800),
        asks("shelve", minutes=120, reason="still known"), passes(HOUR), timers,
    ]  # fmt: skip
    lived(home, steps, Reaper())
    assert home.messages("alarm") == ["alarm"]
    assert home.alarm("lift-fault")["flags"] == ["shelved"]
    lived(home, [passes(HOUR), timers], Reaper())
    assert home.messages("alarm") == ["alarm"] * 2


@pytest.mark.serves("C2")
def test_life_safety_and_too_long_are_refused(home: Home) -> None:
    home.event(FIRE, 1.0)
    home.fault(52.0, "a")
    fire, lift = home.alarm("detector-fire")["id"], home.one()["id"]
    for path, who, body, status, code in (
        (f"{fire}/shelve", "admin", {"minutes": 1, "reason": "x"}, 403, "flags.life-safety"),
        (f"{lift}/shelve", "chenlei", {"minutes": 481, "reason": "x"}, 403, "flags.too-long"),
        (f"{lift}/shelve", "wangqiang", {"minutes": 1, "reason": "x"}, 403, "people.role-needed"),
        (f"{lift}/shelve", "chenlei", {"minutes": 1}, 422, "flags.reason-needed"),
        (f"{lift}/unshelve", "chenlei", {}, 409, "flags.not-standing"),
        ("none/shelve", "chenlei", {"minutes": 1, "reason": "x"}, 404, "unknown"),
        (f"{fire}/out-of-service", "chenlei", {"minutes": 9, "reason": "x", "permit": "7"}, 403,
         "people.role-needed"),
        (f"{fire}/out-of-service", "zhaoyan", {"minutes": 241, "reason": "x", "permit": "7"}, 403,
         "flags.too-long"),
        ("acknowledge", "chenlei", {"ids": []}, 422, None),
    ):  # fmt: skip
        answer = home.says(path, who, **body)
        assert (answer.status_code, answer.json().get("type")) == (status, code), path
    assert home.rows("select id from flag") == []


@pytest.mark.serves("C1")
def test_a_delay_of_ten_minutes_is_over_after_ten_in_spite_of_a_restart(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "catalog"
    shutil.copytree(Settings().catalog_folder(), catalog)
    (catalog / "rules/slow.yaml").write_text(
        "schema: wk.rules/1\nrules:\n- {key: slow, revision: 1, applies: {unit: hvac-1},"
        " point: active_power, limit: {high: 150000}, on_delay_s: 600, priority: 2,"
        " title: {zh: 慢, en: slow}, guidance: {zh: 慢, en: slow}}\n",
        "utf-8",
    )
    monkeypatch.setattr(Settings, "catalog_folder", lambda _: catalog)
    home = Home(tmp_path / "data", url)
    home.data("hvac-1/active_power", (0, 160_000.0))
    home.clock.pass_(420)
    home.restart()
    home.data("hvac-1/active_power", (0, 161_000.0))
    home.clock.pass_(179)
    home.fire_timers()
    assert home.all("slow") == []
    home.clock.pass_(1)
    home.fire_timers()
    home.fire_timers()
    assert home.one("slow")["count"] == 1
    assert home.messages("alarm") == ["alarm"]
    home.close()


@pytest.mark.serves("C2")
def test_of_two_who_see_it_at_once_one_wins_and_both_are_told(home: Home) -> None:
    home.fault(52.0, "a")
    alarm = home.one()["id"]
    with ThreadPoolExecutor(2) as pool:
        path = f"/api/v1/alarms/{alarm}/acknowledge"
        answers = list(pool.map(lambda who: home.clients[who].post(path), ["chenlei", "wangqiang"]))
    assert sorted(each.status_code for each in answers) == [204, 409]
    winner = home.one()["acknowledged_by"]
    (refused,) = [each.json() for each in answers if each.status_code == 409]
    assert (refused["type"], refused["by"]) == ("alarms.not-unacknowledged", winner)
    logged = {(row.what, row.by) for row in home.rows("select what, by from alarm_log".replace(
        "by", '"by"'
    ))}  # fmt: skip
    loser = ({"chenlei", "wangqiang"} - {winner}).pop()
    assert {("acknowledge", winner), ("acknowledge-refused", loser)} <= logged
    ways = [way for each in told_of(home.server.parts.read, [alarm]) for way in each["channels"]]
    assert {way["state"] for way in ways if way["channel"] == "webhook"} == {"cancelled"}


def states(home: Home) -> dict[str, Any]:
    """Return what must be the same however often the process died."""
    alarms = [
        {name: each[name] for name in ("rule", "life", "count", "flags", "untold", "test")}
        for each in home.alarms(only_open=False)
    ]
    flags = [(row.kind, row.ended_why) for row in home.rows("select kind, ended_why from flag")]
    return {
        "alarms": alarms, "messages": home.messages(), "flags": flags,
        "orders": len(home.rows("select id from work_order")),
    }  # fmt: skip


ON_THE_SHELF: list[Step] = [
    *RANG_AND_OVER, asks("shelve", minutes=60, reason="known"), fault(53.0, "b"), passes(HOUR),
    timers,
]  # fmt: skip
SCENARIOS: Mapping[str, list[Step]] = {
    "shelf": ON_THE_SHELF,
    "flaps": [fault(52.0, "a"), fault(0.0, "a"), fault(52.0, "b"), fault(0.0, "b"),
              fault(52.0, "c"), fault(0.0, "c"), passes(300), timers],
    "seen": [fault(52.0, "a"), asks("acknowledge"), asks("shelve", minutes=60, reason="x"),
             worse, passes(HOUR), timers],
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_dying_at_any_commit_changes_nothing_of_what_follows(name: str, folder: Path) -> None:
    count = Reaper()
    whole = Home(folder / "whole")
    lived(whole, SCENARIOS[name], count)
    expected = states(whole)
    whole.close()
    assert count.count >= 5
    for number in range(1, count.count + 1):
        home = Home(folder / f"died-{number}")
        reaper = Reaper(number)
        lived(home, SCENARIOS[name], reaper)
        assert states(home) == expected, f"died at commit {number}"
        home.close()
