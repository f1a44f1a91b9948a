"""The store is away for 20 s while fires trip and 5,000 readings a second flow: who notices?

    python -m benchmarks.store_away [--short | --smoke]

The whole product without its pages: mosquitto, simulated building, edge, gateway, alarm server,
InfluxDB as the store; beside the building's own, 50 edges send (`benchmarks/checker_edges.py`).
Fires trip by turns with the store there and with the store stopped: SIGSTOP, or kill -9.
"""

import argparse
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Final, Self, TypeAlias

import psutil

from adapters.history import open_history
from benchmarks.checker_edges import CLOCK, Board, Load, be_edges
from benchmarks.checker_power import taken
from benchmarks.checker_verdict import Part, judge
from ops.bench.figure import Figure, percentile
from ops.demo import PASSWORD, placed, the_programs
from ops.observe import Api, Building, Sink
from ops.programs import Program, Supervisor
from tests import disk, parts
from watchkeeper.clock import unix_ms
from watchkeeper.settings import HistorySettings, Settings

SITE_ID: Final = "riverside"
POINTS: Final = 10  # of each of 50 edges, ten readings a second each
DETECTORS: Final = 60
LOOK_AGAIN_S: Final = 4.5
MORE_MS: Final = 30.0
MOST_MS: Final = 1_000.0
RSS_MB: Final = 200.0
DRAIN_S: Final = 60.0
SMALL_MB: Final = 64


@dataclass
class Seen:
    """What was measured."""

    there_ms: list[float] = field(default_factory=list)  # of trips with the store there
    away_ms: list[float] = field(default_factory=list)
    rss_mb: float = 0.0  # most the gateway grew while the store was away
    lost: int = 0  # readings, phantom and doubled ones as well
    readings: int = 0


def measure(settings: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return what a store that is away costs alarms, readings and memory."""
    turns, seconds = (4, 20.0)
    if options.smoke:
        turns, seconds = 1, 3.0
    elif options.short:
        turns, seconds = 1, 12.0
    found = _run(settings, turns, seconds, Influx)
    if options.smoke or options.short:
        return found
    if not disk.can_mount():
        print("left out: store_full.*: only root, with loop devices, can mount a disk")
        return found
    return [*found, *_run(settings, turns, seconds, SmallDisk)]


def _run(
    settings: Settings, turns: int, seconds: float, made: "Callable[[Path], Influx | SmallDisk]"
) -> list[Figure]:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        store = made(Path(folder))
        stack.enter_context(store)
        stage = Stage(settings, Path(folder), stack, store)
        for _ in range(turns):
            stage.trips(seconds / 2, away=False)  # before and after: what drifts cancels out
            stage.store_away(seconds)
            stage.trips(seconds / 2, away=False)
        seen = stage.ended()
    return list(_figures(seen, f"{store.what}, {turns} times for {seconds:.0f} s", store.name))


def _figures(seen: Seen, what: str, name: str) -> Iterator[Figure]:
    there, away = (percentile(each, 0.5) for each in (seen.there_ms, seen.away_ms))
    load = (
        f"webhook, {len(seen.away_ms)} fires, {what}, at {POINTS * 500:,} readings/s;"
        f" p50 {away:.0f} ms, else {there:.0f} ms of {len(seen.there_ms)}"
    )
    yield Figure(f"{name}.alarm_ms_p50_more", away - there, "ms", MORE_MS, "<", load)
    yield Figure(
        f"{name}.alarm_ms_p99", percentile(seen.away_ms, 0.99), "ms", MOST_MS, "<",
        f"else {percentile(seen.there_ms, 0.99):.0f} ms",
    )  # fmt: skip
    yield Figure(f"{name}.lost", seen.lost, "readings", 1, "<", f"of {seen.readings:,}, or wrong")
    yield Figure(f"{name}.rss_more_mb", seen.rss_mb, "MB", RSS_MB, "<", "gateway")


class Influx:
    """InfluxDB, which is stopped, and every second time killed."""

    name, what = "store_away", "InfluxDB stopped or killed by turns"

    def __init__(self, folder: Path) -> None:
        """Prepare."""
        self._folder, self._http, self._turn = folder / "influx", parts.free_ports(2), 0
        self.settings = HistorySettings(
            store="influx", url=f"http://127.0.0.1:{self._http}", write_path="v1"
        )

    def __enter__(self) -> Self:
        """Start it."""
        self._folder.mkdir(exist_ok=True)
        config = self._folder / "influxdb.conf"
        config.write_text(parts.influx_config(self._folder, self._http, self._http + 1), "utf-8")
        command = [parts.program("influxd"), "-config", str(config)]
        self._stack = ExitStack()
        self._process = self._stack.enter_context(
            parts.running(command, self._folder / "log", self._http)
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._stack.close()

    def take_away(self) -> None:
        """Have it answer no more."""
        self._turn += 1
        self._process.send_signal(signal.SIGSTOP if self._turn % 2 else signal.SIGKILL)

    def give_back(self) -> None:
        """Have it answer again."""
        if self._turn % 2:
            self._process.send_signal(signal.SIGCONT)
        else:
            self.__exit__()
            self.__enter__()


class SmallDisk:
    """The embedded store on a disk of its own, which is filled."""

    name, what = "store_full", "the embedded store's disk full"

    def __init__(self, folder: Path) -> None:
        """Prepare."""
        self._folder, self._stack = folder, ExitStack()
        self.settings = HistorySettings()

    def __enter__(self) -> Self:
        """Mount it."""
        history = self._folder / "var" / "history"
        history.mkdir(parents=True)
        self._stack.enter_context(
            disk.mounted(self._folder / "disk.img", history, size_mb=SMALL_MB)
        )
        self._room = history / "taken"
        return self

    def __exit__(self, *_: object) -> None:
        """Take it off."""
        self._stack.close()

    def take_away(self) -> None:
        """Leave no room."""
        taken(self._room)

    def give_back(self) -> None:
        """Give the room back."""
        self._room.unlink()


class Plain:
    """The embedded store as it comes; it stays."""

    name, what = "alarm_load", "the embedded store"

    def __init__(self) -> None:
        """Prepare."""
        self.settings = HistorySettings()

    def take_away(self) -> None:
        """Leave it."""

    def give_back(self) -> None:
        """Leave it."""


Store: TypeAlias = Influx | SmallDisk | Plain


class Stage:
    """All processes, and who looks at them."""

    def __init__(
        self, settings: Settings, folder: Path, stack: ExitStack, store: "Store",
        points: int = POINTS, left_out: frozenset[str] = frozenset({"broker", "dashboard"}),
    ) -> None:  # fmt: skip
        """Start everything but the store and what is left out; ended with the stack."""
        self._points, self._left_out = points, left_out
        self._folder, self._pause, self._seen = folder, Event(), Seen()
        self._chance = random.Random(7)  # noqa: S311 - chance, no secret
        self._store = store
        sink = self._sink = Sink(CLOCK)
        stack.callback(sink.close)
        self._settings = self._placed(settings, sink.url)
        port = self._settings.mqtt.port
        config = f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 1000\n"
        stack.enter_context(parts.mosquitto(folder, config, port))
        self._programs = Supervisor(self._wanted(), CLOCK)
        stack.callback(self._programs.stop)
        self._programs.start(lambda name, seconds: print(f"  {name} {seconds:.1f} s", flush=True))
        self._begin_load(stack)
        url = self._settings.server.public_url
        self._people = [Api(url, each, PASSWORD, CLOCK) for each in ("chenlei", "liumin")]
        self._building = Building(self._settings.ports.simulators)
        stack.callback(self._building.close)
        for person in self._people:
            stack.callback(person.close)

    def trips(self, seconds: float, *, away: bool) -> None:
        """Let fires trip for so long, one after the other; each is told by itself."""
        self._clear()
        until = CLOCK.tick() + seconds
        for detector in range(1, DETECTORS + 1):
            if CLOCK.tick() > until:
                break
            self._pause.wait(self._chance.uniform(0.0, 0.25))  # not in step with the poll
            (self._seen.away_ms if away else self._seen.there_ms).append(self.trip(detector))

    def store_away(self, seconds: float) -> None:
        """Stop the store, let fires trip, give it back and wait until readings flow again."""
        gateway = psutil.Process(self._pid("gateway"))
        before, stop = gateway.memory_info().rss, Event()

        def look() -> None:
            while not stop.wait(0.2):
                grown = (gateway.memory_info().rss - before) / 1e6
                self._seen.rss_mb = max(self._seen.rss_mb, grown)

        watch = Thread(target=look, daemon=True)
        watch.start()
        try:
            self._store.take_away()
            self.trips(seconds, away=True)
        finally:
            self._store.give_back()
        at = unix_ms(CLOCK.now())
        parts.until(lambda: bool((self._board.newest >= at).all()), "nothing flows", DRAIN_S)
        stop.set()
        watch.join()

    def ended(self) -> Seen:
        """Read no more, wait until all is stored, and count."""
        self._board.order("end", on=True)
        parts.until(lambda: self._board.noted().open() == 0, "batches stay", DRAIN_S)
        history = open_history(self._settings, SITE_ID, CLOCK, writable=False)
        part = Part("all", 0)
        try:
            judge(history, self._board.noted(), self._load, [part])
        finally:
            history.close()
        self._seen.lost, self._seen.readings = part.lost + part.phantom + part.twice, part.readings
        return self._seen

    @property
    def address(self) -> str:
        """Return where a browser finds the product."""
        return f"http://127.0.0.1:{self._settings.ports.dashboard}"

    def trip(self, detector: int) -> float:
        """Flip a detector; return after how many ms the webhook had it."""
        return self.tripped(detector)[0]

    def tripped(self, detector: int) -> tuple[float, str, int]:
        """Flip a detector; return the webhook's ms, the alarm, and when it was flipped, Unix ms."""
        api, since = self._people[0], unix_ms(CLOCK.now())
        point = f"fire-panel/detector-{detector:02d}"
        flipped = self._building.scenario("fire", unit="fire-panel", detectors=[detector])["at"]

        def raised() -> str | None:
            alarms = api.get("/alarms", open=True)
            found = (
                a["id"] for a in alarms if a["point"] == point and a["raised_at"] >= since - 1_000
            )
            return next(found, None)

        alarm = api.wait(f"alarm of {point}", raised, 10)
        told, _ = self._sink.wait(lambda body: body.get("subject") == alarm, 10)
        api.post(f"/alarms/{alarm}/acknowledge")
        return float(told - flipped), alarm, flipped

    def _clear(self) -> None:
        """Let no fire be left: a panel that was reset shows no new one for four seconds."""
        api = self._people[0]
        self._building.scenario("fire", unit="fire-panel", clear=True)
        api.wait("return", lambda: all(each["returned_at"] for each in api.get("/alarms", open=True)
                                       if each["rule"] == "detector-fire"), 30)  # fmt: skip
        self._pause.wait(LOOK_AGAIN_S)

    def _placed(self, settings: Settings, webhook: str) -> Settings:
        base = parts.free_ports(12)
        mine = placed(settings.model_copy(update={"data": self._folder / "var"}), base)
        front = base if "dashboard" in self._left_out else base + 1  # where people come in
        server = {"webhook_url": webhook, "public_url": f"http://127.0.0.1:{front}"}
        update = {
            "server": mine.server.model_copy(update=server), "history": self._store.settings,
        }  # fmt: skip
        return mine.model_copy(update=update)

    def _wanted(self) -> list[Program]:
        """Return the programs of the demonstration, without broker and pages, on our store."""
        made = the_programs(self._settings, seed=1, lively=False, sink=None)
        found = [each for each in made if each.name not in self._left_out]
        for program in found:
            program.environment = {
                **program.environment,
                "WATCHKEEPER_HISTORY__STORE": self._settings.history.store,
                "WATCHKEEPER_HISTORY__URL": self._settings.history.url,
                "WATCHKEEPER_HISTORY__THIN_AFTER_H": "0",
                "WATCHKEEPER_HISTORY__WRITE_PATH": "v1",
            }
            if program.name == "gateway":
                program.ready = partial(_serves, program.log_file)
        return found

    def _begin_load(self, stack: ExitStack) -> None:
        journals = self._folder / "journals"
        journals.mkdir()
        context = get_context("spawn")
        self._board = Board(context)
        start = unix_ms(CLOCK.now()) + 1_000
        self._load = Load(
            str(journals), self._settings.mqtt.port, self._points, start, site=SITE_ID
        )
        edges = context.Process(target=be_edges, args=(self._load, self._board), daemon=True)
        edges.start()
        stack.callback(edges.join, 5)
        stack.callback(edges.kill)
        parts.until(lambda: bool(self._board.newest.all()), "nothing flows", DRAIN_S)

    def _pid(self, name: str) -> int:
        process = self._programs.programs[name].process
        if process is None:
            raise RuntimeError(f"{name} does not run")
        return process.pid


def _serves(log: Path) -> bool:
    return "gateway serves" in log.read_text("utf-8")


def main() -> None:
    """Measure and print."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is ended
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="at most 60 s")
    parser.add_argument("--smoke", action="store_true", help="30 s: it runs and loses nothing")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:30} {figure.value:>10,.2f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
