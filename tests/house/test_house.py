"""The house rules no linter knows (docs/start-here.md)."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from ops import catalog
from watchkeeper.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ("watchkeeper", "adapters", "edge", "gateway", "broker", "server", "dashboard",
         "simulators", "ops")  # fmt: skip
CODE = sorted(path for top in HOUSE for path in (ROOT / top).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
NAMELESS = {"utils", "util", "helpers", "common", "misc", "base", "manager"}
ROOMS = {"__init__.py", "model.py", "decide.py", "ports.py", "handlers.py", "store.py", "api.py",
         "README.md"}  # fmt: skip
SUBJECTS = sorted(path.parent for path in (ROOT / "server").glob("*/model.py"))
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CODE, ids=name)
def test_a_file_fits_in_the_head(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    assert path.stem not in NAMELESS
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


@pytest.mark.parametrize("folder", SUBJECTS, ids=name)
def test_every_subject_has_the_same_rooms_and_is_guarded(folder: Path) -> None:
    rooms = {path.name for path in folder.iterdir() if path.name != "__pycache__"}
    assert rooms <= ROOMS
    assert "README.md" in rooms
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert project.count(f'"server.{folder.name}"') == 2  # independence and layers


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_no_test_is_skipped_or_sleeps(path: Path) -> None:
    text = path.read_text("utf-8")
    found = re.findall(
        r"pytest\.(?:skip|xfail|importorskip)\(|mark\.(?:skip|xfail)\b|time\.sleep\(", text
    )
    assert found == [] or path == Path(__file__) or path.name == "conftest.py"


@pytest.mark.parametrize("path", sorted((ROOT / "catalog").rglob("*.yaml")), ids=name)
@pytest.mark.serves("A2")
def test_every_catalog_file_is_right(path: Path) -> None:
    assert catalog.mistake(path, ROOT / "catalog") is None


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs/settings.md").read_text("utf-8")
    for section, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        for key in inner or ():
            assert f"`{section}.{key}`" in text, f"{section}.{key}"
        if inner is None:
            assert f"`{section}`" in text, section


@pytest.mark.parametrize("page", DOCS, ids=name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", DOCS, ids=name)
def test_pages_name_files_that_exist(page: Path) -> None:
    tops = "|".join((*HOUSE, "catalog", "tests", "docs", "benchmarks", "deploy"))
    for target in re.findall(rf"`((?:{tops})/[\w./-]+\.\w+)", page.read_text("utf-8")):
        assert (ROOT / target).exists(), target


def test_an_edge_box_needs_neither_web_server_nor_database() -> None:
    lock = (ROOT / "locks/edge.txt").read_text("utf-8").lower()
    names = set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE))
    assert "pymodbus" in names
    assert not names & {"fastapi", "sqlmodel", "sqlalchemy", "streamlit", "starlette"}


def test_every_lock_is_hashed_and_names_no_host() -> None:
    for lock in (ROOT / "locks").glob("*.txt"):
        text = lock.read_text("utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_every_capability_built_is_shown_by_a_test() -> None:
    page = (ROOT / "docs/capabilities.md").read_text("utf-8")
    built = set(re.findall(r"^\| ([A-H]\d+) \|", page, re.MULTILINE))
    shown = set(
        re.findall(r'mark\.serves\("([A-H]\d+)"\)', "".join(t.read_text("utf-8") for t in TESTS))
    )
    assert built <= shown, f"no test shows {sorted(built - shown)}"


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
