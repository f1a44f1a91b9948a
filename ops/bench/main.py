"""`watchkeeper bench NAME`: measure a figure and hold it against its bar."""

import argparse
import json
import platform
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ops.bench.figure import Figure
from watchkeeper.errors import ConfigError
from watchkeeper.settings import Settings

# The benchmarks folder is not in the wheel.
BENCHES = {
    "alarm": "ops.bench.alarm",
    "rules": "benchmarks.rules",
    "backtest": "benchmarks.backtest",
    "alarm-load": "benchmarks.alarm_load",
    "alarm-kills": "benchmarks.alarm_kills",
    "brokers": "benchmarks.brokers",
    "edge": "benchmarks.edge_pipeline",
    "edge-scale": "benchmarks.edge_scale",
    "edge-latency": "benchmarks.edge_latency",
    "edge-faults": "benchmarks.edge_faults",
    "edge-kills": "benchmarks.edge_kills",
    "edge-peer": "benchmarks.edge_peer",
    "chain": "benchmarks.chain",
    "checker": "benchmarks.checker",
    "store-away": "benchmarks.store_away",
    "backfill": "benchmarks.backfill",
    "simulators": "benchmarks.simulators",
    "storm": "benchmarks.storm",
    "store": "benchmarks.store",
}


DECIMALS_BELOW = 1_000  # larger figures are shown whole


def arguments(parser: argparse.ArgumentParser, _: str) -> None:
    """Add the options of this command."""
    parser.add_argument("names", nargs="+", choices=sorted(BENCHES), metavar="name",
                        help=", ".join(BENCHES))  # fmt: skip
    parser.add_argument("--short", action="store_true", help="at most 60 s each")
    parser.add_argument("--smoke", action="store_true", help="10 s: it runs and loses nothing")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--port-base", type=int, default=28500, help="where its own demo listens")


def run(settings: Settings, options: argparse.Namespace, _: str) -> int:
    """Run the benchmarks; return 0 only when every bar holds (with --smoke: when they ran)."""
    print(f"{platform.machine()}, Python {platform.python_version()}")
    figures: list[Figure] = []
    for name in options.names:
        found: list[Figure] = _bench(name).measure(settings, options)
        figures += found
        for figure in found:
            _show(figure)
    if options.json is not None:
        rows = [figure.row() for figure in figures]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    return 0 if options.smoke or all(figure.ok for figure in figures) else 1


def _show(figure: Figure) -> None:
    bar = f"{figure.relation} {figure.bar:g}" if figure.bar is not None else "-"
    value = f"{figure.value:>12,.{0 if abs(figure.value) >= DECIMALS_BELOW else 3}f} {figure.unit}"
    mark = "ok  " if figure.ok else "MISS"
    print(f"{mark} {figure.name:30} {value}  bar {bar}  {figure.load}", flush=True)


def _bench(name: str) -> ModuleType:
    """Return the benchmark; ConfigError: it stands only in a checkout, and this is none."""
    try:
        return import_module(BENCHES[name])
    except ModuleNotFoundError as error:
        if error.name not in {"benchmarks", BENCHES[name]}:
            raise
        raise ConfigError(
            where=f"bench {name}",
            what="needs the folder benchmarks/, which is not installed",
            fix="run `python -m ops.main bench` in a checkout of the sources",
        ) from error
