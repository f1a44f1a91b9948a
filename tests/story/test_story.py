import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import free_ports

STEPS = ["flow", "overload", "entrapment", "fire", "link-cut", "store-down", "report"]


@pytest.mark.timeout(420)
@pytest.mark.serves("H4")
@pytest.mark.serves("A6")
@pytest.mark.serves("A7")
@pytest.mark.serves("A10")
def test_one_command_tells_the_whole_story(tmp_path: Path) -> None:
    file = tmp_path / "story.json"
    words = ["--headless", "--story", "--json", str(file), "--data", str(tmp_path / "var")]
    played = subprocess.run(
        [sys.executable, "-m", "ops.main", "demo", *words, "--port-base", str(free_ports(12))],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert played.returncode == 0, played.stdout + played.stderr
    rows = json.loads(file.read_text("utf-8"))
    assert [(row["name"], row["ok"]) for row in rows] == [(name, True) for name in STEPS]
