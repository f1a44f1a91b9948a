"""The scripts of the live component: every text they name exists, and none stands in them."""

import re
from pathlib import Path

import pytest
from yaml import safe_load

from dashboard import live

TEXTS = safe_load(Path("catalog/i18n/screens.yaml").read_text("utf-8"))["texts"]
SCRIPTS = sorted((live.HERE / "js").glob("*.js"))
NAMED = re.compile(r"""(?<![\w.])(?:words|this)?\.?t\(\s*'([a-z0-9_-]+)'|\.t\('([a-z0-9_-]+)'""")
CHOSEN = re.compile(r"\.t\([^`()]*?\?([^;]*?)[,)]")
QUOTED = re.compile(r"'([a-z][a-z0-9_-]+)'")
PATTERN = re.compile(r"\.t\(`([a-z-]+)-\$\{")


def keys(script: str) -> set[str]:
    """Return the text keys a script names outright."""
    direct = {first or second for first, second in NAMED.findall(script)}
    chosen = {key for part in CHOSEN.findall(script) for key in QUOTED.findall(part)}
    return direct | chosen


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_text_a_script_names_is_in_the_catalog(path: Path) -> None:
    script = path.read_text("utf-8")
    assert {key for key in keys(script) if f"screens.{key}" not in TEXTS} == set()
    for prefix in PATTERN.findall(script):
        assert any(key.startswith(f"screens.{prefix}-") for key in TEXTS), prefix


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_script_carries_words_of_its_own_or_builds_markup(path: Path) -> None:
    script = path.read_text("utf-8").replace("'中文'", "")  # a language is named in itself
    assert re.findall(r"[\u4e00-\u9fff]", script) == []
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script)


def test_every_script_and_style_is_part_of_the_page() -> None:
    used = {*live.LIVE, "sign_in"}
    assert {path.stem for path in SCRIPTS} == used
    styles = {path.stem for path in (live.HERE / "css").glob("*.css")}
    assert styles == {*live.LOOK, "wall", "alarms", "orders", "emergency", "sign_in"}


def test_texts_in_both_languages_take_the_same_facts() -> None:
    facts = re.compile(r"\{(\w+)\}")
    uneven = [
        key
        for key, text in TEXTS.items()
        if {*facts.findall(text["zh"])} != {*facts.findall(text["en"])}
    ]
    assert uneven == []
