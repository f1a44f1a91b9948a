"""`watchkeeper edge plan`: what is read of each device, and whether its bus can keep up."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from edge import plan
from edge.drivers.modbus import Where, line_of
from watchkeeper import site
from watchkeeper.profile import Profile
from watchkeeper.settings import Settings
from watchkeeper.site import Bus, Edge, Plant

_FULL = 1.0
_NEARLY = 0.8


def arguments(parser: argparse.ArgumentParser, _: str) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "where", nargs="?", type=Path, metavar="SITE", help="as --site: a file, or a name"
    )
    parser.add_argument("--edge", default="", help="only this edge of the site")


def run(settings: Settings, options: argparse.Namespace, _: str) -> int:
    """Print the plan; return 1 when a bus cannot keep its rates or a device is left out."""
    if options.where is not None:
        settings = settings.model_copy(update={"site": options.where})
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    edges = [plant.edge(options.edge)] if options.edge else plant.site.edges
    buses = [(edge, bus) for edge in edges for bus in edge.buses if _is_modbus(bus)]
    shares = [_bus(plant, edge, bus) for edge, bus in buses]
    print("bus ms: the bus is busy for so long to read the device once; over TCP an estimate")
    left_out = [each for edge in edges for each in plant.left_out_of(edge)]
    for each in left_out:
        print(f"\nleft out: {each.id}")
        for line in each.mistake.lines:
            print(f"  {line}")
    return 0 if all(share <= _FULL for share in shares) and not left_out else 1


def _is_modbus(bus: Bus) -> bool:
    return bool(bus.modbus_tcp or bus.modbus_rtu or bus.modbus_rtu_tcp)


def _bus(plant: Plant, edge: Edge, bus: Bus) -> float:
    """Print one bus; return the share of the time it is busy, above 1 where it cannot keep up."""
    where = line_of(bus).where
    units = [unit for unit in edge.units if unit.bus == bus.id]
    share = sum(_share(plant.profiles[unit.profile], where) for unit in units)
    print(f"\n{edge.id}  bus {bus.id}  {_said(where)}")
    print(f"  {'unit':20} {'profile':20} {'requests':>8} {'registers':>9} {'bus ms':>7}  cycle")
    for unit in units:
        profile = plant.profiles[unit.profile]
        blocks = plan.blocks(profile.points, profile.modbus)
        registers = sum((block.size + 1) // 2 for block in blocks)
        busy_ms = 1000 * sum(plan.busy_s(where, block) for block in blocks)
        cycle = ", ".join(_cycles(blocks, max(share, _FULL)))
        counts = f"{len(blocks):8} {registers:9} {busy_ms:7.1f}"
        print(f"  {unit.id:20} {unit.profile:20} {counts}  {cycle}")
    word = "cannot keep its rates" if share > _FULL else "nearly full" if share > _NEARLY else "ok"
    print(f"  busy {share:.0%}: {word}")
    return share


def _share(profile: Profile, where: Where) -> float:
    return sum(
        plan.busy_s(where, block) / plan.PERIODS_S[block.rate]
        for block in plan.blocks(profile.points, profile.modbus)
    )


def _cycles(blocks: list[plan.Block], stretch: float) -> Iterator[str]:
    """Yield how often each rate is read: what is wanted, and what a full bus makes of it."""
    for rate, period_s in plan.PERIODS_S.items():
        count = sum(block.rate == rate for block in blocks)
        if count:
            late = f" (~{period_s * stretch:.2g} s)" if stretch > _FULL else ""
            yield f"{count} each {period_s:g} s{late}"


def _said(where: Where) -> str:
    if isinstance(where, site.ModbusRtu):
        return f"{where.port} {where.baud} 8{where.parity}{where.stop}"
    kind = "RTU over TCP" if isinstance(where, site.ModbusRtuTcp) else "Modbus TCP"
    return f"{where.host}:{where.port} {kind}"
