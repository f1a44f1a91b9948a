"""The journal of events: what was done, by whom, from where; as pages and as a file; for good."""

import ast
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from server import journal
from server.emergency.model import EntryKind
from server.flags.model import Kind
from server.http import User
from server.journal import Page
from server.orders.model import State
from server.sql import open_engines
from tests.fakes_postgres import Cluster
from tests.fakes_server import BROWSER, CHENLEI, SESSION, House, house
from watchkeeper import texts
from watchkeeper.ids import PersonId

DETECTOR = "fire-panel/detector-05"
POWER = "hvac-1/active_power"
WORDS = texts.load(Path(__file__).parents[3] / "catalog/i18n")


@pytest.fixture
def there(folder: Path) -> Iterator[House]:
    with house(folder) as made:
        made.populate()
        made.birth()
        made.state("online")
        made.event(DETECTOR, 1, ago_s=3)
        yield made


@pytest.fixture
def client(there: House) -> Iterator[TestClient]:
    with TestClient(there.server.app, headers=BROWSER) as made:
        yield made


def lines(client: TestClient, **asked: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/journal", params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["lines"]
    return found


@pytest.mark.serves("C2")
def test_a_line_says_when_it_was_so_when_it_was_written_and_from_where(
    there: House, client: TestClient
) -> None:
    (line,) = lines(client, kind="alarm", rule="detector-fire", text="raise")
    assert line["happened_at"] == there.ms(-3)
    assert line["recorded_at"] == there.ms()
    assert (line["origin"], line["edge"], line["by"]) == ("edge", "plant-b1", "system")
    assert (line["point"], line["rule"], line["value"]) == (DETECTOR, "detector-fire", 1)
    assert line["title"]["en"]


def test_what_a_person_did_stands_under_their_name(there: House, client: TestClient) -> None:
    alarm = there.alarm("detector-fire")["id"]
    there.clock.pass_(5)
    assert client.post(f"/api/v1/alarms/{alarm}/acknowledge").status_code == 204
    (line,) = lines(client, by="chenlei", kind="alarm")
    assert (line["what"], line["origin"], line["name"]["en"]) == (
        "acknowledge", "person", "Chen Lei",
    )  # fmt: skip
    assert line["subject"] == alarm


def test_orders_runs_and_messages_stand_beside_the_alarms(client: TestClient) -> None:
    kinds = {line["kind"] for line in lines(client)}
    assert {"alarm", "run", "message"} <= kinds
    sent = lines(client, kind="message")[0]
    assert sent["note"]["en"]  # whom it was for


@pytest.mark.parametrize(
    ("asked", "some"),
    [
        pytest.param({"point": DETECTOR}, True, id="of a point"),
        pytest.param({"point": POWER}, False, id="of another point"),
        pytest.param({"unit": "fire-panel"}, True, id="of a unit"),
        pytest.param({"place": "tower-a,tower-b,podium"}, True, id="of places with all floors"),
        pytest.param({"place": "tower"}, False, id="a part of a name is no place"),
        pytest.param({"rule": "detector-fire"}, True, id="of a rule"),
        pytest.param({"by": "wangqiang"}, False, id="of a person who did nothing"),
        pytest.param({"text": "fire"}, True, id="with a word"),
        pytest.param({"text": "100%"}, False, id="a sign of patterns is a sign"),
        pytest.param({"from": "2020-01-01T00:00Z", "to": "2020-02-01T00:00Z"}, False, id="before"),
    ],
)
def test_lines_can_be_filtered(client: TestClient, asked: dict[str, str], some: bool) -> None:  # noqa: FBT001 - a column of the table
    assert bool(lines(client, **asked)) is some


def test_pages_follow_each_other_without_a_gap(there: House, client: TestClient) -> None:
    for number in range(6, 12):
        there.event(f"fire-panel/detector-{number:02d}", 1)
    whole = lines(client, limit=500)
    first = client.get("/api/v1/journal", params={"limit": 5}).json()
    assert first["more"] is True
    rest = lines(client, limit=500, offset=5, to=first["end"], **{"from": first["start"]})
    assert [*first["lines"], *rest] == whole
    assert [line["recorded_at"] for line in whole] == sorted(
        (line["recorded_at"] for line in whole), reverse=True
    )


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"kind": "gossip"}, "journal.kind"),
        ({"from": "yesterday"}, "server.time"),
        ({"from": "2026-02-01T00:00Z", "to": "2026-01-01T00:00Z"}, "server.span"),
    ],
)
def test_what_makes_no_sense_is_refused(
    client: TestClient, asked: dict[str, str], code: str
) -> None:
    answer = client.get("/api/v1/journal", params=asked)
    assert (answer.status_code, answer.json()["type"]) == (422, code)


def test_nobody_reads_it_without_a_session(there: House) -> None:
    with TestClient(there.server.app) as stranger:
        assert stranger.get("/api/v1/journal").status_code == 401


def rows(body: bytes) -> list[dict[str, str]]:
    assert body.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(body.decode("utf-8-sig").splitlines()))


def test_the_file_holds_all_lines_the_oldest_first(there: House, client: TestClient) -> None:
    for number in range(6, 40):
        there.event(f"fire-panel/detector-{number:02d}", 1)
    there.clock.pass_(1)
    answer = client.get("/api/v1/journal/export", params={"lang": "en"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="riverside-journal-' in answer.headers["content-disposition"]
    found = rows(answer.content)
    assert len(found) == len(lines(client, limit=500))
    assert found[0]["kind"] == "Alarm"
    assert found[0]["recorded"].endswith("+08:00")
    assert [each["recorded_ms"] for each in found] == sorted(each["recorded_ms"] for each in found)


def test_a_technician_does_not_take_the_journal_out_of_the_house(there: House) -> None:
    there.sessions["t"] = User(PersonId("wangqiang"), "王强", frozenset({"technician"}))
    with TestClient(there.server.app, headers={"Cookie": "wk_session=t"}) as client:
        assert client.get("/api/v1/journal/export").status_code == 403
    assert there.sessions[SESSION] is CHENLEI


LINE: dict[str, Any] = {
    "kind": "alarm", "number": 1, "recorded_at": 0, "happened_at": None, "what": "raise",
    "by": "-chen", "name": {"zh": "陈", "en": "Chen"}, "origin": "person", "edge": "",
    "channels": [{"channel": "mail", "state": "failed", "at": 0}], "subject": "alm_1", "rule": "r",
    "point": "m/p", "unit": "m", "place": "tower-a/3", "priority": 2, "value": None,
    "title": {"zh": '"注"', "en": '=HYPERLINK("x")'}, "note": {"zh": "a\r\nb", "en": "@note"},
}  # fmt: skip


def test_no_cell_is_computed_by_a_spreadsheet() -> None:
    page = Page(WORDS, "en", ZoneInfo("Asia/Shanghai"))
    (row,) = rows(b"".join(journal.csv([LINE], page)))
    assert (row["title"], row["note"], row["account"]) == (
        "'=HYPERLINK(\"x\")", "'@note", "'-chen",
    )  # fmt: skip
    assert (row["recorded"], row["happened"]) == ("1970-01-01T08:00:00.000+08:00", "")
    assert row["channels"] == "mail:failed"


def test_a_file_in_chinese_has_chinese_heads_and_words_and_may_leave_out_the_mark() -> None:
    page = Page(WORDS, "zh", ZoneInfo("Asia/Shanghai"), bom=False)
    body = b"".join(journal.csv([LINE], page)).decode()
    assert body.startswith("记录时间,记录时间_毫秒,源时间")
    assert ",报警,报警,'-chen,陈,人员," in body


def test_a_deed_without_words_stands_as_it_is_in_the_log() -> None:
    assert journal.word("alarm", "unheard-of", Page(WORDS, "en", ZoneInfo("UTC"))) == "unheard-of"


SERVER = Path(__file__).parents[3] / "server"


def _written() -> Iterator[str]:
    """Yield kind and word of what the code writes into a log as it stands, by its source."""
    for path in sorted(SERVER.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = ast.unparse(call.func)
            plain = (each.value for each in call.args if isinstance(each, ast.Constant))
            consts = [each for each in plain if isinstance(each, str)]
            if name.endswith(("alarms.log", "alarms.save")) or name == "release":
                yield from (f"alarm-{each}" for each in consts[:1])
            elif name in {"Said", "_about"} and consts:
                yield f"message-{consts[0]}"
            elif name == "replace":
                kinds = (each.value for each in call.keywords if each.arg == "kind")
                yield from (f"message-{e.value}" for e in kinds if isinstance(e, ast.Constant))


def _enumerated() -> Iterator[str]:
    """Yield those the code puts together."""
    for kind in Kind:
        yield from (f"alarm-{kind}", f"alarm-{kind}-ended", f"flag-{kind}")
    yield from (f"flag-ended-{why}" for why in ("expired", "returned", "ended"))
    yield from (f"order-{state}" for state in State)
    yield from (f"run-{kind}" for kind in get_args(EntryKind))
    yield from ("alarm-order", "alarm-run", "message-flood", "message-read")
    yield from (f"message-order-overdue-{limit}" for limit in ("respond", "restore"))
    for news in ("rejected", "cancelled", "accepted", "on_hold", "done"):
        yield f"message-order-{news}"


@pytest.mark.serves("C2")
def test_everything_that_is_written_has_words_in_both_languages() -> None:
    found = {*_written()}
    assert {"alarm-raise", "alarm-acknowledge", "message-alarm", "message-digest"} <= found
    dumb = sorted(
        each for each in found | {*_enumerated()} if f"journal.{each}" not in WORDS.by_key
    )
    assert dumb == []
    both = [text for key, text in WORDS.by_key.items() if key.startswith("journal.")]
    assert all(text.zh and text.en for text in both)


def test_a_message_names_its_person_in_both_languages(client: TestClient) -> None:
    names = {(each["note"]["zh"], each["note"]["en"]) for each in lines(client, kind="message")}
    assert ("陈磊", "Chen Lei") in names


def refused(engine: sa.Engine, statement: str) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="append only"), engine.begin() as connection:
        connection.execute(sa.text(statement))


@pytest.mark.serves("C2")
def test_no_line_of_the_log_can_be_changed_or_deleted(there: House) -> None:
    engines = open_engines(there.database)
    refused(engines.write, "update alarm_log set by = 'nobody'")
    refused(engines.write, "update run_log set actor = 'nobody'")
    refused(engines.write, "delete from alarm_log")
    refused(engines.write, "delete from run_log")
    for engine in set(engines):
        engine.dispose()


@pytest.mark.part("postgres")
def test_postgresql_does_not_empty_a_log_at_a_stroke_either(postgres: Cluster) -> None:
    engine = sa.create_engine(postgres.ours())
    for log in ("alarm_log", "work_order_move", "run_log"):
        refused(engine, f"truncate {log}")
    engine.dispose()
