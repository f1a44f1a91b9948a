"""What becomes of readings by what an InfluxDB answers; each answer as the server words it."""

import re

import numpy as np
import pytest

from adapters.history.influx import InfluxHistory
from tests.fakes import FixedClock
from tests.fakes_influx import Answers, Said, answering
from watchkeeper.batch import Batch
from watchkeeper.errors import Unreachable
from watchkeeper.ids import PointId
from watchkeeper.settings import HistorySettings

NOON = 1_780_315_200_000
GOOD, POISON = PointId("main-1/active_power"), PointId("poison/x")
ROWS = 500
HTML = "<html><body>no lines were read</body></html>"


def history(url: str, clock: FixedClock | None = None, **facts: object) -> InfluxHistory:
    settings = HistorySettings.model_validate({"store": "influx", "url": url, **facts})
    return InfluxHistory(settings, "riverside", clock=clock or FixedClock())


def batch(history: InfluxHistory, rows: int = ROWS, *poison: int) -> Batch:
    """Return so many readings; those at `poison` are of a point the server does not take."""
    good, bad = history.series([GOOD, POISON])
    series = np.full(rows, good)
    series[list(poison)] = bad
    return Batch(series, NOON + np.arange(rows), np.ones(rows), np.zeros(rows, np.uint8))


def takes(lines: list[bytes]) -> Said:
    return Said(204, stored=lines)


def refuses(status: int, body: str, *, rest: bool) -> Answers:
    """Return what refuses lines of POISON; the rest of such a call is stored, or is not."""

    def answer(lines: list[bytes]) -> Said:
        fine = [
            line for line in lines if not line.startswith(b"reading,site=riverside,point=poison")
        ]
        gone = len(lines) - len(fine)
        if not gone:
            return takes(lines)
        return Said(status, body.replace("{gone}", str(gone)), fine if rest else ())

    return answer


PARTIAL_1 = '{"error":"partial write: field type conflict: input field \\"v\\" dropped={gone}"}'
OLD_1 = '{"error":"partial write: points beyond retention policy dropped={gone}"}'
PARSE_1 = '{"error":"unable to parse \'poison\': missing fields"}'
PARSE_2 = '{"code":"invalid","message":"unable to parse \'poison\': missing fields"}'
PARTIAL_2 = (
    '{"code":"unprocessable entity","message":"failure writing points to database:'
    ' partial write: field type conflict dropped={gone}"}'
)
PARTIAL_3 = (
    '{"error":"partial write of line protocol occurred",'
    '"data":[{"error_message":"invalid column type","line_number":2,"original_line":"p"}]}'
)
REFUSALS = [
    pytest.param(400, PARTIAL_1, True, id="1.x, a field of another type"),
    pytest.param(400, OLD_1, True, id="1.x, beyond the retention"),
    pytest.param(400, PARSE_1, True, id="1.x, unparsable"),
    pytest.param(400, PARSE_2, False, id="2.x, unparsable: nothing of the call is stored"),
    pytest.param(422, PARTIAL_2, True, id="2.x, a field of another type"),
    pytest.param(400, PARTIAL_3, True, id="3.x, partial"),
    pytest.param(413, '{"code":"request too large","message":"too large"}', False, id="too long"),
    pytest.param(413, HTML, False, id="too long for a web server on the way"),
]


@pytest.mark.serves("B4")
@pytest.mark.parametrize(("status", "body", "rest"), REFUSALS)
@pytest.mark.parametrize("poison", [(0,), (3, 250, 499), tuple(range(0, 500, 100))])
def test_refused_lines_are_put_aside_and_all_others_stored(
    status: int, body: str, poison: tuple[int, ...], *, rest: bool
) -> None:
    with answering(refuses(status, body, rest=rest)) as server:
        ours = history(server.url)
        ours.write(batch(ours, ROWS, *poison))
        ours.close()
    kept = [line for line in server.stored if line.startswith(b"reading,")]
    assert len(set(kept)) == ROWS - len(poison)
    aside = [line for line in server.stored if line.startswith(b"quarantine,")]
    assert [int(_payload(line)) - NOON for line in aside] == list(poison)
    assert all(b'reason="store: ' in line for line in aside)


def _payload(line: bytes) -> bytes:
    """Return the time of the line that was put aside."""
    found = re.search(rb'payload="[^"]* (\d+)"', line)
    assert found
    return found[1]


def test_where_all_are_dropped_nothing_is_searched() -> None:
    with answering(refuses(400, OLD_1, rest=True)) as server:
        ours = history(server.url)
        ours.write(batch(ours, ROWS, *range(ROWS)))
        ours.close()
    assert server.calls[0] == ROWS
    assert len(server.calls) == 1 + ROWS // 100  # the rest are those of the quarantine
    assert sum(line.startswith(b"quarantine,") for line in server.stored) == ROWS


UNREACHABLE = [
    pytest.param(401, '{"code":"unauthorized","message":"x"}', "login is refused", id="401"),
    pytest.param(403, '{"code":"forbidden","message":"x"}', "has no right", id="403"),
    pytest.param(404, '{"code":"not found","message":"bucket"}', "history.database", id="404"),
    pytest.param(429, '{"message":"org over limit"}', "asked too often", id="429"),
    pytest.param(500, '{"error":"engine: cache exceeded"}', "cache exceeded", id="500"),
    pytest.param(502, HTML, "no lines were read", id="502 of a proxy"),
    pytest.param(503, "", "503", id="503"),
    pytest.param(400, HTML, "no lines were read", id="400 that is not InfluxDB's"),
    pytest.param(400, "", "400", id="400 without words"),
    pytest.param(400, '{"status":"bad"}', "400", id="400 of something else"),
    pytest.param(301, "", "301", id="sent elsewhere"),
]


@pytest.mark.serves("B3")
@pytest.mark.parametrize(("status", "body", "words"), UNREACHABLE)
def test_what_does_not_blame_the_lines_is_unreachable(status: int, body: str, words: str) -> None:
    with answering(lambda _: Said(status, body)) as server:
        ours = history(server.url)
        with pytest.raises(Unreachable) as error:
            ours.write(batch(ours))
        assert server.calls == [ROWS]
        server.answers = takes
        ours.write(batch(ours))
        ours.close()
    assert words in str(error.value.facts["what"])
    assert len(set(server.stored)) == ROWS


@pytest.mark.serves("B4")
def test_a_server_that_refuses_everything_is_unreachable_and_soon() -> None:
    with answering(lambda _: Said(400, '{"error":"database is required"}')) as server:
        ours = history(server.url)
        with pytest.raises(Unreachable) as error:
            ours.write(batch(ours, 5_000))
        ours.close()
    assert "the quarantine is refused: database is required" in str(error.value.facts["what"])
    assert len(server.calls) < 20


@pytest.mark.serves("B3")
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_time_is_left_alone_so_long(status: int) -> None:
    clock = FixedClock()
    with answering(lambda _: Said(status, headers={"Retry-After": "40"})) as server:
        ours = history(server.url, clock)
        for pause in (0, 10, 29):
            clock.pass_(pause)
            with pytest.raises(Unreachable) as error:
                ours.write(batch(ours))
        assert "another 1 s" in str(error.value.facts["what"])
        assert len(server.calls) == 1
        clock.pass_(1)
        server.answers = takes
        ours.write(batch(ours))
        ours.close()
    assert len(server.stored) == ROWS


@pytest.mark.serves("B3")
def test_after_a_failure_calls_are_smaller_and_grow_again() -> None:
    with answering(lambda _: Said(503)) as server:
        ours = history(server.url)
        for _ in range(6):
            with pytest.raises(Unreachable):
                ours.write(batch(ours, 20_000))
        assert server.calls == [5_000, 2_500, 1_250, 625, 312, 250]
        server.calls.clear()
        server.answers = takes
        for _ in range(6):
            ours.write(batch(ours, 5_000))
        ours.close()
    assert server.calls == [250] * 20 + [500] * 10 + [1_000] * 5 + [2_000, 2_000, 1_000] + [
        4_000, 1_000, 5_000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "header"),
    [
        ({"token": "t"}, "Token t"),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({}, None),
    ],
)
def test_the_login_goes_with_every_call(facts: dict[str, str], header: str | None) -> None:
    with answering(takes) as server:
        ours = history(server.url, **facts)
        ours.write(batch(ours, 1))
        assert ours.latest([GOOD]) == {}
        ours.close()
    assert [each.get("authorization") for each in server.headers] == [header, header]
    assert "content-encoding" not in server.headers[0]


def test_a_web_page_instead_of_rows_is_unreachable() -> None:
    with answering(takes) as server:
        ours = history(f"{server.url}/elsewhere")
        server.answers = lambda _: Said(200, HTML)
        with pytest.raises(Unreachable) as error:
            ours.raw(GOOD, 0, NOON)
        ours.close()
    assert "no InfluxDB answers there: <html>" in str(error.value.facts["what"])
