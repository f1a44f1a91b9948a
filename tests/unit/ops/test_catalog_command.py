from pathlib import Path

import pytest

from ops.main import main

RIGHT = "schema: wk.texts/1\ntexts:\n  a.b: {zh: 一, en: one}\n"


@pytest.mark.serves("A2")
def test_a_right_file_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "words.yaml"
    file.write_text(RIGHT, "utf-8")
    assert main(["catalog", "check", str(file)]) == 0
    assert "1 files checked, 0 with a mistake" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        pytest.param(RIGHT + "more: 1\n", 4, "unknown field `more`", id="unknown key"),
        pytest.param(RIGHT + "  a.c: {zh: 二}\n", 4, "field `en`", id="language"),
        pytest.param(RIGHT + "  a.c: {zh: 二, en: b, c}\n", 4, "field `c`", id="comma"),
        pytest.param("schema: wk.spell/1\n", 1, "`wk.spell/1` is not known", id="schema"),
        pytest.param("texts: {}\n", 1, "`(none)` is not known", id="no schema"),
    ],
)
def test_a_mistake_is_one_line_with_file_line_and_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, line: int, what: str
) -> None:
    file = tmp_path / "words.yaml"
    file.write_text(text, "utf-8")
    assert main(["catalog", "check", str(file)]) == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith(f"{file}:{line}: ")
    assert what in told
    assert told.endswith(")")


def test_a_file_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["catalog", "check", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_no_command_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == 2
    assert "no command `fly`" in capsys.readouterr().err
    assert main([]) == 2
    assert "usage" in capsys.readouterr().out
