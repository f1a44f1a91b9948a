"""A site file read with the profiles its units name: what stands where (schema wk.site/1).

Edge, simulators and server read the same one, so their lists of points agree. A device with a
mistake is left out and the rest runs; what makes the file mean nothing is refused (`load`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from watchkeeper.errors import ConfigError
from watchkeeper.ids import PointId
from watchkeeper.layout import (
    LAST_RTU_UNIT,
    NOT_GIVEN,
    SCHEMA,
    About,
    Alone,
    Bus,
    Edge,
    Gb26875,
    ModbusRtu,
    ModbusRtuTcp,
    ModbusTcp,
    Place,
    Site,
    Unit,
    Zone,
    at_primary,
    ratio,
    transformed,
)
from watchkeeper.profile import Point, Profile
from watchkeeper.site_file import LeftOut, Sited, opened
from watchkeeper.wire import BornPoint

__all__ = [
    "LAST_RTU_UNIT", "NOT_GIVEN", "SCHEMA", "About", "Alone", "Bus", "Edge", "Gb26875", "LeftOut",
    "ModbusRtu", "ModbusRtuTcp", "ModbusTcp", "Place", "Plant", "Site", "SitePoint", "Unit",
    "Zone", "at_primary", "born", "load", "outline", "ratio", "transformed",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SitePoint:
    """A point of a unit: everything later stages need to know about it."""

    id: PointId
    unit: Unit
    profile: Profile
    point: Point


@dataclass(frozen=True)
class Plant:
    """A site with its profiles resolved; its edges have the units that work, and no others."""

    site: Site
    profiles: Mapping[str, Profile]
    left_out: Sequence[LeftOut] = ()  # devices with a mistake: nobody polls or knows them
    retired: Sequence[Unit] = ()  # devices others have replaced: only their past is left

    def units(self) -> list[Unit]:
        """Return all units of all edges."""
        return [unit for edge in self.site.edges for unit in edge.units]

    def points(self, edge: Edge | None = None) -> list[SitePoint]:
        """Return the points of one edge, or of all, in the order of the file."""
        return list(self._every if edge is None else self._points(edge.units))

    @cached_property
    def _every(self) -> list[SitePoint]:
        """All points, made once: of 100,000 each copy is 12 MB."""
        return list(self._points(self.units()))

    def past_points(self) -> list[SitePoint]:
        """Return the points retired units had, where their profile still says so."""
        return list(self._points(unit for unit in self.retired if unit.profile in self.profiles))

    def _points(self, units: Iterable[Unit]) -> Iterator[SitePoint]:
        for unit in units:
            profile = self.profiles[unit.profile]
            for point in profile.points:
                yield SitePoint(PointId(f"{unit.id}/{point.id}"), unit, profile, point)

    def left_out_of(self, edge: Edge) -> list[LeftOut]:
        """Return the devices of an edge that have a mistake."""
        return [each for each in self.left_out if each.edge == edge.id]

    def lineage(self, point: PointId) -> list[PointId]:
        """Return a point and those it continues, the newest first."""
        before = {unit.replaced_by: unit.id for unit in self.retired}
        unit, _, name = point.partition("/")
        found = [point]
        while unit in before:
            unit = before[unit]
            found.append(PointId(f"{unit}/{name}"))
        return found

    def feeders(self) -> dict[str, str]:
        """Return which unit feeds each: left-out ones too, so that what they feed keeps its place.

        Where a retired unit and its successor name the same, the successor counts.
        """
        old = {child: unit.id for unit in self.retired for child in unit.feeds}
        out = {child: each.id for each in self.left_out for child in each.feeds}
        return old | out | {child: unit.id for unit in self.units() for child in unit.feeds}

    def edge(self, name: str) -> Edge:
        """Return the edge of this id; ConfigError when the site has none."""
        for edge in self.site.edges:
            if edge.id == name:
                return edge
        names = ", ".join(edge.id for edge in self.site.edges)
        raise ConfigError(where=self.site.site.id, what=f"has no edge `{name}`", fix=f"use {names}")


def born(points: Iterable[SitePoint]) -> list[BornPoint]:
    """Return the birth list of an edge: aliases count from 0 in the order given."""
    return [
        BornPoint(alias, item.id, item.point.type, item.point.unit, item.point.point_class)
        for alias, item in enumerate(points)
    ]


def load(path: Path, profiles: Path, *, strict: bool = False) -> Plant:
    """Return the site with the profiles its units name.

    Args:
        path: The site file.
        profiles: The folder the profiles stand in, one `<id>.yaml` each.
        strict: Refuse any mistake; otherwise a device with one is left out, see `left_out`.

    Raises ConfigError: with file, line, field and what to do, all mistakes together. Refused in
    any case: no YAML, a wrong site, place, bus, edge or local output, ids that stand twice,
    `replaced_by` that leads nowhere, in a circle, or twice to the same unit.
    """
    found: Sited = opened(path, profiles, strict=strict)
    return Plant(found.site, found.profiles, found.left_out, found.retired)


def outline(path: Path) -> Site:
    """Return what a site file says of the site itself and its edges, without asking profiles.

    Raises ConfigError: as `load`. Devices with a mistake are left out in silence.
    """
    return opened(path, None, strict=False).site
