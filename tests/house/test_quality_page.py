"""docs/quality.md is the table of quality codes: it says what the code and the words say."""

import re
from pathlib import Path

import pytest

from watchkeeper import texts
from watchkeeper.quality import Quality, is_bad, is_good

ROOT = Path(__file__).resolve().parents[2]
WORDS = texts.load(ROOT / "catalog/i18n")
PAGE = (ROOT / "docs/quality.md").read_text("utf-8")
ROWS = {
    int(row[0]): row[1:]
    for line in PAGE.splitlines()
    if len(row := [cell.strip() for cell in line.strip("|").split("|")]) == 8 and row[0].isdecimal()
}


@pytest.mark.serves("A4")
def test_the_page_has_every_code_and_no_other() -> None:
    assert {code: row[0] for code, row in ROWS.items()} == {int(q): q.name for q in Quality}


@pytest.mark.parametrize("quality", Quality, ids=lambda each: each.name)
def test_the_page_says_what_screens_and_stores_do(quality: Quality) -> None:
    _, zh, en, setter, when, value, counts = ROWS[quality]
    key = f"quality.code-{int(quality)}"
    assert (zh, en) == (WORDS(key, "zh"), WORDS(key, "en"))
    assert when
    assert value == ("no" if is_bad(quality) else "yes")
    assert counts == ("yes" if is_good(quality) else "no")
    files = [ROOT / name for name in re.findall(r"`([\w/.]+\.py)`", setter)]
    assert setter == "nobody" or any(quality.name in each.read_text("utf-8") for each in files)


def test_no_word_stands_for_a_code_that_is_none() -> None:
    named = {key for key in WORDS.by_key if key.startswith("quality.")}
    assert named == {f"quality.code-{int(each)}" for each in Quality}


@pytest.mark.parametrize("program", ["gateway", "server", "adapters", "dashboard", "watchkeeper"])
def test_nobody_downstream_takes_a_code_for_all_that_is_good(program: str) -> None:
    wrong = re.compile(r"quality\w*(?:\[\w+\])?\s*(?:[!=]=|>|is)\s*(?:0\b|Quality\.GOOD|GOOD\b)")
    for path in (ROOT / program).rglob("*.py"):
        assert wrong.search(path.read_text("utf-8")) is None, path


def test_scripts_ask_for_the_third_too() -> None:
    for path in (ROOT / "dashboard/live/js").glob("*.js"):
        assert not re.search(r"quality\s*[!=]==?\s*\d", path.read_text("utf-8")), path
