"""A generated site of as many units as asked for, of every kind the simulators know."""

from collections.abc import Iterator
from itertools import cycle, islice

from watchkeeper import profile
from watchkeeper.documents import Text
from watchkeeper.settings import Settings
from watchkeeper.site import About, Bus, Edge, ModbusTcp, Place, Plant, Site, Unit, Zone

FLOORS = "B2..30"
BLOCK_METERS = 20  # an incoming meter, a board of lifts, a board of pumps, and tenants
# One tower: what stands in it, in this order, until its share of the units is reached.
KINDS = (
    "eastron-sdm630", "monarch-nice3000", "lift-level-board", "eastron-sdm630", "sump-pump",
    "schneider-iem3000", "xy-md02", "eastron-sdm630", "fire-panel-gateway", "xintai-water-meter",
    "eastron-sdm630", "abb-acs", "eastron-sdm630", "xy-md02", "schneider-iem3000",
    "monarch-nice3000", "lift-level-board", "eastron-sdm630", "sump-pump", "eastron-sdm630",
    "dse-7320", "apc-smart-ups",
)  # fmt: skip


def plant(units: int, ports: list[int]) -> Plant:
    """Return a plant; each port is a bus, and a tower whose meters are one tree."""
    name = Text("大", "Big")
    buses = [Bus(f"bus-{n}", modbus_tcp=ModbusTcp("127.0.0.1", p)) for n, p in enumerate(ports)]
    places = [Place(f"tower-{n}", name, FLOORS) for n in range(len(ports))]
    share = -(-units // len(ports))
    made = [unit for n in range(len(ports)) for unit in _tower(n, min(share, units - n * share))]
    here = Site(About("big", name), places, [Edge("edge", buses, made)])
    folder = Settings().catalog_folder() / "profiles"
    return Plant(here, {kind: profile.load(folder / f"{kind}.yaml") for kind in set(KINDS)})


def _tower(tower: int, count: int) -> Iterator[Unit]:
    """Yield the units of a tower; its first meter feeds all others of it."""
    kinds = list(islice(cycle(KINDS), count))
    names = [_id(tower, number, kind) for number, kind in enumerate(kinds)]
    meters = [name for name, kind in zip(names, kinds, strict=True) if _meter(kind)]
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        yield Unit(
            name, kind, f"bus-{tower}", number + 1, place=f"tower-{tower}",
            feeds=meters[1:] if name == meters[0] else [],
            part_of=names[number - 1] if kind == "lift-level-board" else "",
            zones=_zones(tower) if kind == "fire-panel-gateway" else [],
        )  # fmt: skip


def _meter(kind: str) -> bool:
    return kind.startswith(("eastron", "schneider"))


def _id(tower: int, number: int, kind: str) -> str:
    stem = "lifts" if number == 3 else "tenant" if number else "main"  # noqa: PLR2004
    return f"{stem if _meter(kind) else kind}-{tower}-{number}"


def _zones(tower: int) -> list[Zone]:
    return [Zone("zone-1", Text("区", "Zone"), f"tower-{tower}", (1, 60))]
