"""Backfill: a day of an outage leaves the edge's journal while its devices go on being polled.

    python -m benchmarks.backfill [--short | --smoke]

The real edge, a real mosquitto, the real gateway and the embedded store, each a process of its
own. A witness hears what the edge sends and what the gateway acknowledges: how old a live reading
is when it is stored, and whether every point's kept readings arrive in the order of their times.
"""

import argparse
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from adapters.history.embedded import EmbeddedHistory
from adapters.history.embedded_codec import decode
from adapters.history.embedded_file import open_to_read
from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from benchmarks.edge_parts import DRAIN_S, Answers, Job, plant_of, run_edge, serve
from ops.bench.figure import Figure, percentile
from ops.programs import Program
from tests import parts
from watchkeeper import topics, wire
from watchkeeper.clock import unix_ms
from watchkeeper.settings import Settings

CLOCK: Final = SystemClock()
PER_S: Final = 200  # readings a second that the outage kept
LIVE: Final = 16  # devices of 62 points at 1 s meanwhile


class Witness:
    """Hears both directions and acknowledges nothing."""

    def __init__(self, job: Job) -> None:
        self._sent: dict[int, int] = {}  # live batches under way: sequence -> newest time in it
        self.live_ms: list[float] = []
        self._newest: dict[int, int] = {}  # of what was kept: alias -> time
        self.disordered = 0
        self._bus = Mqtt("127.0.0.1", job.broker, "witness")
        self._bus.subscribe(topics.up("bench", "edge", "data"), self._data)
        self._bus.subscribe(topics.down("bench", "edge", "ack"), self._acknowledged)

    def _data(self, _: str, payload: bytes) -> None:
        message = wire.decode_data(payload)
        if message.mode == "live":
            self._sent[message.sequence] = message.start + message.offsets[-1]
            return
        for alias, offset in zip(message.aliases, message.offsets, strict=True):
            at = message.start + offset
            self.disordered += at < self._newest.get(alias, 0)
            self._newest[alias] = at

    def _acknowledged(self, _: str, payload: bytes) -> None:
        now = unix_ms(CLOCK.now())
        for first, last in wire.decode_ack(payload).ok:
            for number in range(first, last + 1):
                if (at := self._sent.pop(number, None)) is not None:
                    self.live_ms.append(now - at)

    def close(self) -> dict[str, float]:
        """Return what was seen."""
        self._bus.close()
        return {
            "live_ms_p99": percentile(self.live_ms or [0.0], 0.99),
            "disordered": float(self.disordered),
        }


def witness(job: Job, out: Answers) -> None:
    """Be the witness until SIGTERM; put what was seen."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    seen = Witness(job)
    stop.wait()
    out.put(seen.close())


def measure(settings: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return how fast a backlog is stored, and how live the live readings stay."""
    hours = 0.05 if options.smoke else 0.5 if options.short else 24.0
    return list(_figures(settings, round(hours * 3600 * PER_S), hours))


def _figures(settings: Settings, readings: int, hours: float) -> Iterator[Figure]:
    run = _run(settings, readings)
    load = f"{readings:,} readings of {hours:g} h at {PER_S}/s, {LIVE * 62} points at 1 s meanwhile"
    yield Figure("backfill.rate", readings / run["wall_s"], "1/s", 10_000, ">=", load)
    yield Figure("backfill.live_ms_p99", run["live_ms_p99"], "ms", 2_000, "<", f"{load}; stored")
    # A last poll may come between the count and the stop: then more is stored than was counted.
    lost = max(run["reported"] - run["dropped"] - run["stored"], 0.0)
    yield Figure("backfill.lost", lost, "readings", 1, "<", f"of {run['reported']:,.0f} reported")
    yield Figure("backfill.disordered", run["disordered"], "readings", 1, "<", "of the same point")


def _run(settings: Settings, readings: int) -> dict[str, float]:
    context = get_context("spawn")
    edge_out, seen_out = context.Queue(), context.Queue()
    with TemporaryDirectory() as folder:
        job = Job(
            folder, parts.free_port(), parts.free_port(), LIVE, 0.2, 1.0, 0.0, backlog=readings
        )
        plant_of(job)
        config = f"listener {job.broker} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
        with parts.mosquitto(Path(folder), config, job.broker):
            gateway = _gateway(settings, job)
            devices = context.Process(target=serve, args=(job,))
            seen = context.Process(target=witness, args=(job, seen_out))
            edge = context.Process(target=run_edge, args=(job, edge_out))
            try:
                gateway.start()
                parts.until(gateway.ready, "the gateway is not ready", 60)
                devices.start()
                seen.start()
                parts.until(lambda: parts.listens(job.modbus), "no devices")
                edge.start()
                figures: dict[str, float] = edge_out.get(timeout=3 * DRAIN_S)
                os.kill(seen.pid or 0, signal.SIGTERM)
                figures |= seen_out.get(timeout=10)
            finally:
                for process in (edge, seen, devices):
                    if process.pid is not None:
                        process.terminate()
                        process.join(5)
                gateway.stop(60)
        return figures | {"stored": float(_stored(Path(folder) / "store/history/bench.db"))}


def _gateway(settings: Settings, job: Job) -> Program:
    data = Path(job.folder) / "store"
    environment = {
        "WATCHKEEPER_DATA": str(data),
        "WATCHKEEPER_CATALOG": str(settings.catalog_folder()),
        "WATCHKEEPER_SITE": f"{job.folder}/site.yaml",
        "WATCHKEEPER_MQTT__PORT": str(job.broker),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    ready = (data / "history/bench.db").exists
    return Program("gateway", ["gateway"], ready, environment, data / "gateway.log")


def _stored(path: Path) -> int:
    """Return how many readings the store holds."""
    history = EmbeddedHistory(path, clock=CLOCK, writable=True)
    history.settle()
    history.close()
    db = open_to_read(path)
    if db is None:
        raise FileNotFoundError(path)
    try:
        return sum(len(decode(blob)) for (blob,) in db.execute("select b from frame"))
    finally:
        db.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="30 minutes of an outage")
    parser.add_argument("--smoke", action="store_true", help="10 s: it runs and loses nothing")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:30} {figure.value:>12,.2f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
