"""What was put aside in readable form: names, cut texts, pages and counts."""

from typing import Any

import pytest

from tests.fakes_history import MemoryHistory
from watchkeeper import aside, wire
from watchkeeper.aside import Names, Row
from watchkeeper.history import Quarantined
from watchkeeper.ids import PointId

NOW = 1_764_000_000_000
POWER = PointId("main-1/active_power")


def known(edge: str, birth: str) -> dict[int, PointId] | None:
    return {0: POWER} if (edge, birth) == ("plant-b1", "h") else None


def kept(*rows: list[Any], reason: str = "time", edge: str = "plant-b1", at: int = NOW,
         birth: str = "h") -> Quarantined:  # fmt: skip
    payload = wire.encode(wire.Aside("J", at, birth, list(rows)))
    return Quarantined(at, f"riverside/{edge}", reason, payload, len(rows))


def filled(*items: Quarantined) -> MemoryHistory:
    history = MemoryHistory()
    history.quarantine(items)
    return history


@pytest.mark.serves("B4")
def test_readings_come_as_rows_with_the_names_of_their_points() -> None:
    opened = aside.opened(kept([0, NOW, 1.5, 0], [7, NOW, 2.5, 64]), known)
    assert opened.rows == [Row(0, POWER, NOW, 1.5, 0), Row(7, None, NOW, 2.5, 64)]
    assert (opened.edge, opened.reason, opened.excerpt, opened.gap) == (
        "plant-b1",
        "time",
        "",
        None,
    )


def test_without_the_birth_the_alias_is_shown() -> None:
    (row,) = aside.opened(kept([0, NOW, 1.5, 0], birth="another"), known).rows
    assert row == Row(0, None, NOW, 1.5, 0)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param(["a", NOW, 1, 0], Row("a", None, NOW, 1, 0), id="a word for an alias"),
        pytest.param([0, NOW, "x" * 500, 0], Row(0, POWER, NOW, "x" * 80 + "…", 0), id="long"),
        pytest.param([0, NOW, True, 0], Row(0, POWER, NOW, "true", 0), id="a truth"),
        pytest.param([0, NOW, {"a": [1]}, 0], Row(0, POWER, NOW, '{"a":[1]}', 0), id="an object"),
        pytest.param([[0], NOW, 1, None], Row("[0]", None, NOW, 1, None), id="a list"),
        pytest.param([0, NOW], Row(None, None, None, f"[0,{NOW}]", None), id="two columns"),
        pytest.param([0, NOW, "\x1b[2J\u202eab\n", 0], Row(0, POWER, NOW, "·[2J·ab·", 0), id="esc"),
    ],
)
def test_a_reading_of_any_shape_is_shown(said: list[Any], shown: Row) -> None:
    assert aside.opened(kept(said), known).rows == [shown]


def test_only_so_many_rows_are_shown() -> None:
    assert len(aside.opened(kept(*[[0, NOW, 1, 0]] * 50), known, 10).rows) == 10


@pytest.mark.parametrize(
    ("payload", "excerpt"),
    [
        pytest.param(b'{"j":1', '{"j":1', id="half a message"),
        pytest.param(b"\xff\x00<b>", "�·<b>", id="no text"),
        pytest.param(b"", "·", id="nothing"),
        pytest.param("读".encode() * 500, "读" * 200 + "…", id="long"),
    ],
)
def test_what_cannot_be_read_is_a_short_excerpt(payload: bytes, excerpt: str) -> None:
    opened = aside.opened(Quarantined(NOW, "riverside/plant-b1", "unreadable", payload, 0), known)
    assert (opened.rows, opened.excerpt) == ([], excerpt)


def test_a_gap_says_from_when_to_when() -> None:
    payload = wire.encode(wire.Gap("J", 1, "h", "back", (NOW, NOW + 9, 500)))
    opened = aside.opened(Quarantined(NOW, "riverside/plant-b1", "gap", payload, 500), known)
    assert (opened.gap, opened.excerpt) == ((NOW, NOW + 9), "")


def test_a_reason_is_its_word_and_what_follows_it() -> None:
    opened = aside.opened(Quarantined(NOW, "reading", "store: field type conflict", b"x"), known)
    assert (opened.reason, opened.why, opened.edge) == ("store", "field type conflict", "reading")


def paged(history: MemoryHistory, limit: int, **wanted: str) -> list[list[int]]:
    found, before = [], None
    for _ in range(10):
        page = aside.page(history, limit, before, **wanted)
        found.append([item.id for item in page.items])
        before = page.next
        if before is None:
            return found
    raise AssertionError("it never ends")


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_pages_hold_each_item_that_fits_once(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(aside, "PAGE", size)
    reasons = ["time", "value"]
    edges = ["a", "a", "b"]
    items = [kept([0, n, 1, 0], reason=reasons[n % 2], edge=edges[n % 3]) for n in range(12)]
    history = filled(*items)
    assert paged(history, 5) == [[12, 11, 10, 9, 8], [7, 6, 5, 4, 3], [2, 1]]
    assert paged(history, 2, reason="value") == [[12, 10], [8, 6], [4, 2]]
    assert paged(history, 9, reason="time", edge="b") == [[9, 3]]
    assert paged(history, 9, edge="riverside/b") == [[12, 9, 6, 3]]
    assert paged(history, 9, reason="gap") == [[]]


def test_one_answer_looks_at_so_many_items_and_says_where_to_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aside, "SCANNED", 4)
    history = filled(*(kept([0, n, 1, 0], reason="time") for n in range(9)))
    page = aside.page(history, 5, reason="value")
    assert (page.items, page.next) == ([], 6)
    assert paged(history, 5, reason="time") == [[9, 8, 7, 6], [5, 4, 3, 2], [1]]


@pytest.mark.serves("B4")
def test_counts_are_by_reason_and_edge_and_of_their_time_alone() -> None:
    history = filled(
        kept([0, 1, 1, 0], at=NOW - 5),
        kept([0, 2, 1, 0], [1, 2, 1, 0], at=NOW),
        kept([0, 3, 1, 0], at=NOW + 1),
        kept(*[[0, 4, 1, 0]] * 9, reason="value", at=NOW + 2),
        kept([0, 5, 1, 0], edge="b", at=NOW + 3),
        Quarantined(NOW + 4, "riverside/b", "store: a", b"x"),
        Quarantined(NOW + 5, "riverside/b", "store: b", b"x"),
    )
    found = aside.counted(history, NOW)
    assert found.whole
    assert [(c.reason, c.edge, c.items, c.readings, c.newest - NOW) for c in found.counts] == [
        ("value", "plant-b1", 1, 9, 2),
        ("time", "plant-b1", 2, 3, 1),
        ("store", "b", 2, 2, 5),
        ("time", "b", 1, 1, 3),
    ]


def test_too_many_to_count_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "SCANNED", 4)
    history = filled(*(kept([0, n, 1, 0]) for n in range(5)))
    found = aside.counted(history, NOW)
    assert (found.whole, found.counts[0].items) == (False, 4)
    history.release([5])
    assert aside.counted(history, NOW).whole


def test_one_is_found_by_its_number() -> None:
    history, names = filled(kept([0, 1, 1, 0]), kept([0, 2, 1, 0])), known
    assert aside.find(history, 1).id == 1
    history.release([1])
    for gone in (1, 3):
        with pytest.raises(KeyError):
            aside.find(history, gone)
    typed: Names = names
    assert typed("plant-b1", "other") is None
