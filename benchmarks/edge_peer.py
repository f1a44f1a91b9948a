"""Our edge beside thingsboard-gateway: readings a CPU second, the same job in the same run.

    make peers
    python -m benchmarks.edge_peer [--short | --smoke]

The same devices, the same broker program, 20 % of the values change from poll to poll. Everything
runs in a network namespace of its own that has loopback and nothing else: see docs/peers.md.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from benchmarks import edge_parts, edge_peer_parts
from benchmarks.edge_parts import POINTS, Job
from benchmarks.edge_peer_config import MODULES, VERSION, Setting
from benchmarks.edge_peer_parts import CHANGE, DEVICES, Run
from ops.bench.figure import Figure
from tests import parts
from watchkeeper.errors import ConfigError
from watchkeeper.settings import Settings

ROOT: Final = Path(__file__).parents[1]
PEER: Final = ROOT / ".peers" / "thingsboard-gateway"
PERIOD_MS: Final = 100  # faster, it reads more and delivers less
AT_MOST: Final = Setting("memory", "DISABLED", 1)
SETTINGS: Final = (  # with --short the first three, with --smoke the first
    Setting("memory", "ON_CHANGE", PERIOD_MS),
    Setting("memory", "DISABLED", PERIOD_MS),
    Setting("sqlite", "ON_CHANGE", PERIOD_MS),
    Setting("sqlite", "DISABLED", PERIOD_MS),
    Setting("memory", "DISABLED", 2 * PERIOD_MS),
    Setting("memory", "DISABLED", PERIOD_MS // 2),
    AT_MOST,
)
LOAD: Final = f"{DEVICES} devices x {POINTS} float32, {CHANGE:.0%} change"
LONGEST_S: Final = 900.0

Ours: TypeAlias = dict[str, float]


@dataclass(frozen=True, slots=True)
class Found:
    """What one run measured."""

    ours: Ours  # as fast as it can
    ours_slow: Ours  # polled as often as the gateway is at its best
    peers: list[tuple[Setting, Run]]


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return the ratio and what it is made of; ConfigError when the peer cannot be run here."""
    installed(PEER)
    program("mosquitto")
    flags = [f"--{name}" for name in ("short", "smoke") if getattr(options, name)]
    line = _alone(alone(program("unshare")), flags)
    return list(figures(msgspec.json.decode(line, type=Found)))


def installed(folder: Path) -> None:
    """Do nothing; ConfigError when the peer, or a module it would fetch by itself, is missing."""
    modules = {"thingsboard_gateway": VERSION, **MODULES}
    found = [f"lib/*/site-packages/{name}-{is_}.dist-info" for name, is_ in modules.items()]
    missing = [wanted for wanted in ("bin/python", *found) if not any(folder.glob(wanted))]
    if missing:
        raise ConfigError(
            where="bench peer",
            what=f"thingsboard-gateway {VERSION} is not installed: no {missing[0]} in .peers/",
            fix="run `make peers`",
        )


def program(name: str) -> str:
    """Return the full path of a program; ConfigError when it is not installed."""
    path = shutil.which(name, path=parts.SBIN)
    if path is None:
        fix = "run `make parts`" if name == "mosquitto" else "install util-linux"
        raise ConfigError(where="bench peer", what=f"{name} is not installed", fix=fix)
    return path


def alone(unshare: str) -> list[str]:
    """Return the command that starts another without a network; ConfigError when refused."""
    command = [unshare, "--net"]
    if os.geteuid() != 0:
        command += ["--map-current-user", "--keep-caps"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise ConfigError(
            where="bench peer",
            what=f"no network namespace ({tried.stderr.strip() or tried.returncode})",
            fix="run as root, or allow user namespaces: the peer runs only where it reaches nobody",
        )
    return command


def figures(found: Found) -> Iterator[Figure]:
    """Return the rows: each setting, the best of them, and our edge over it."""
    for setting, run in found.peers:
        yield _row(setting, run)
    setting, best = max(found.peers, key=lambda each: each[1].carried_per_cpu_s)
    carried = best.carried_per_cpu_s
    peer = f"thingsboard-gateway {VERSION}, {setting.text}: {carried:,.0f}/CPU s"
    ours, slow = (each["polled"] / each["cpu_s"] for each in (found.ours, found.ours_slow))
    load = f"{LOAD}; ours {ours:,.0f}/CPU s, journalled, published, acknowledged"
    yield Figure("edge.peer_readings_per_cpu_s", carried, "1/s", None, ">=", LOAD, peer)
    yield Figure("edge.peer_ratio", ours / carried, "x", 10, ">=", load, peer)
    load = f"ours polled every {PERIOD_MS} ms too: {slow:,.0f}/CPU s"
    yield Figure("edge.peer_ratio_same_pace", slow / carried, "x", None, ">=", load, peer)
    for most in (run.polled_per_cpu_s for setting, run in found.peers if setting == AT_MOST):
        load = f"over all the peer read, though most of it did not arrive: {most:,.0f}/CPU s"
        yield Figure("edge.peer_ratio_at_most", ours / most, "x", None, ">=", load, AT_MOST.text)
    for name, one in (("", found.ours), ("_same_pace", found.ours_slow)):
        lost = one["reported"] - one["dropped"] - one["arrived"]
        text = f"ours, of {one['reported']:,.0f} reported; no room for {one['dropped']:,.0f}"
        yield Figure(f"edge.peer_ours_lost{name}", lost, "readings", 1, "<", text)


def _row(setting: Setting, run: Run) -> Figure:
    words = "change" if setting.report == "ON_CHANGE" else "all"
    return Figure(
        f"edge.peer_{words}_{setting.storage}_{setting.period_ms}ms",
        run.carried_per_cpu_s, "1/s", None, ">=",
        f"{setting.text}: {run.polled / run.wall_s:,.0f}/s read on {run.cpu_s / run.wall_s:.2f} "
        f"core, {run.kept:.0%} of what it had to report arrived, {run.rss_mb:.0f} MB",
    )  # fmt: skip


def _alone(unshare: Sequence[str], flags: Sequence[str]) -> str:
    """Run the measurement where nobody can be reached; return the last line it prints."""
    command = [*unshare, sys.executable, "-m", "benchmarks.edge_peer", "--inside", *flags]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=LONGEST_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        raise ConfigError(
            where="bench peer",
            what=f"the measurement ended with exit code {process.returncode}",
            fix="its reason stands above",
        )
    return output.splitlines()[-1]


def _inside(options: argparse.Namespace) -> None:
    """Measure, where only loopback is, and print what was found."""
    edge_peer_parts.only_loopback()
    seconds = 1.5 if options.smoke else 5.0 if options.short else 20.0
    settings = SETTINGS[: 1 if options.smoke else 3 if options.short else None]
    runs = [edge_peer_parts.run(PEER / "bin" / "python", each, seconds) for each in settings]
    paces = (0.0, PERIOD_MS / 1000)
    ours, slow = (edge_parts.run(Job("", 0, 0, DEVICES, CHANGE, pace, seconds)) for pace in paces)
    found = Found(ours, slow, list(zip(settings, runs, strict=True)))
    print(msgspec.json.encode(found).decode())


def main() -> None:
    """Measure and print; exit code 2, and what to do, when the peer cannot be run here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="at most 60 s")
    parser.add_argument("--smoke", action="store_true", help="it runs and loses nothing")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    try:
        if options.inside:
            _inside(options)
            return
        rows = measure(Settings(), options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    for figure in rows:
        mark = "ok  " if figure.ok else "MISS"
        bar = "-" if figure.bar is None else f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:30} {figure.value:>12,.1f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
