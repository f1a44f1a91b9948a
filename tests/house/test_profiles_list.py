"""What every device profile must have, and that docs/profiles-list.md names them all."""

import re
from pathlib import Path

import pytest

from watchkeeper import profile
from watchkeeper.profile import Point
from watchkeeper.units import SYMBOLS

ROOT = Path(__file__).resolve().parents[2]
FOUND = {path.stem: profile.load(path) for path in sorted((ROOT / "catalog/profiles").glob("*"))}
PROFILES = {name: each for name, each in FOUND.items() if not each.of_components}
FINITE = {"int16", "uint16", "int32", "uint32", "bcd16", "bcd32"}  # counters that start again
ROW = re.compile(r"^\| `(?P<id>[^`]+)` \| (?P<device>[^|]+) \| (?P<function>[\d, ]+) "
                 r"\| (?P<verified>yes|no) \| (?P<source>[^|]+) \|$", re.MULTILINE)  # fmt: skip


def listed() -> dict[str, tuple[str, ...]]:
    text = (ROOT / "docs/profiles-list.md").read_text("utf-8")
    return {found["id"]: found.groups()[1:] for found in ROW.finditer(text)}


def test_the_list_has_every_profile_as_its_file_says() -> None:
    assert listed() == {
        name: (
            each.name.en,
            ", ".join(str(n) for n in sorted({p.function or each.modbus.function
                                              for p in each.points})),
            "yes" if each.verified else "no",
            each.source,
        )
        for name, each in PROFILES.items()
    }  # fmt: skip


def is_number(point: Point) -> bool:
    """Return whether a point is measured: no state, no bit, no text."""
    state = point.words or point.bit is not None or point.type in {"bool", "string"}
    return not state and point.bits is None


@pytest.mark.parametrize("name", PROFILES)
def test_every_number_has_a_unit_and_possible_values(name: str) -> None:
    for point in PROFILES[name].points:
        assert point.unit in SYMBOLS, point.id
        assert not is_number(point) or point.possible or point.rollover, point.id
        if point.kind == "counter" and point.type in FINITE:
            assert point.rollover is not None, point.id


@pytest.mark.parametrize("name", PROFILES)
def test_a_map_that_is_not_verified_says_so(name: str) -> None:
    text = (ROOT / f"catalog/profiles/{name}.yaml").read_text("utf-8")
    assert PROFILES[name].verified or "not verified" in text.lower()
