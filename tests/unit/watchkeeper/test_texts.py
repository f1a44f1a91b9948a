from pathlib import Path

import pytest

from watchkeeper import texts
from watchkeeper.errors import ConfigError

FILE = 'schema: wk.texts/1\ntexts:\n  a.b: {zh: "还剩 {n} 分", en: "{n} min left"}\n'


def test_a_text_is_told_in_the_language_of_the_reader(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FILE, "utf-8")
    say = texts.load(tmp_path)
    assert say("a.b", "zh-CN", n=3) == "还剩 3 分"
    assert say("a.b", "en-GB", n=3) == "3 min left"
    assert say.both("a.b", n=3).en == "3 min left"


def test_a_key_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(FILE, "utf-8")
    with pytest.raises(ConfigError, match="two files"):
        texts.load(tmp_path)
