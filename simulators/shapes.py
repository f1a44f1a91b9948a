"""How a day of a load runs: catalog/shapes/*.yaml, schema wk.shapes/1.

A shape says how much is drawn in each hour, not how much that is: its load brings the peak. The
file says where the figures come from, and `source: assumption` where nobody measured them.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from watchkeeper import documents
from watchkeeper.documents import Text
from watchkeeper.errors import ConfigError

SCHEMA: Final = "wk.shapes/1"
ASSUMPTION: Final = "assumption"
_FULL: Final = 100.0
Percent: TypeAlias = Annotated[float, Meta(ge=0, le=_FULL)]
Hours: TypeAlias = Annotated[tuple[Percent, ...], Meta(min_length=24, max_length=24)]
Months: TypeAlias = Annotated[tuple[Percent, ...], Meta(min_length=12, max_length=12)]


class Shape(Struct, frozen=True, forbid_unknown_fields=True):
    """The course of a load over a day and over the year."""

    id: str
    name: Text
    source: str  # of the figures, or "assumption"
    workday: Hours  # mean of the hour from 0, 1, ... 23 o'clock, % of the highest of the file
    weekend: Hours
    licence: str = ""  # of the source
    derived: str = ""  # how the figures were made of the source
    scatter: Annotated[float, Meta(ge=0, le=0.3)] = 0.03  # of the waves around the course
    months: Months = (_FULL,) * 12  # mean of January, ... December, % of the highest


@cache
def installed() -> Mapping[str, Shape]:
    """Return the shapes of the installed catalog by id."""
    folder = Path(__file__).resolve().parent.parent / "catalog/shapes"
    return {path.stem: load(path) for path in sorted(folder.glob("*.yaml"))}


def load(path: Path) -> Shape:
    """Return the shape; ConfigError says what is wrong."""
    shape = documents.read(path, Shape, SCHEMA)
    for wrong, field, what, fix in _rules(shape, path.stem):
        if wrong:
            line = documents.line_of(path.read_text("utf-8"), field)
            raise ConfigError(where=f"{path}:{line}", what=f"{field}: {what}", fix=fix)
    return shape


def _rules(shape: Shape, stem: str) -> Iterator[tuple[bool, str, str, str]]:
    """Yield whether a rule is broken, at which field, in which words, what to do."""
    yield shape.id != stem, "id", f"`{shape.id}` in {stem}.yaml", "name both alike"
    told = bool(shape.licence and shape.derived)
    yield (
        shape.source != ASSUMPTION and not told,
        "source",
        "figures of others without their licence or how they were derived",
        f"write `licence` and `derived`, or `source: {ASSUMPTION}`",
    )
    yield (
        max(*shape.workday, *shape.weekend) != _FULL,
        "workday",
        f"the highest hour of workday and weekend is not {_FULL:g}",
        "divide all by the highest",
    )
    for field, hours in (("workday", shape.workday), ("weekend", shape.weekend)):
        yield sum(hours) == 0, field, "nothing is drawn all day", "give at least one hour"
    yield (
        max(shape.months) != _FULL,
        "months",
        f"the highest month is not {_FULL:g}",
        "divide all by the highest",
    )
