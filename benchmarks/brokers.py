"""Our edges and a mosquitto: all come back after its restart, and a bad line loses nothing.

    python -m benchmarks.brokers [--short | --smoke]

Light clients, each with an account of its own, on mosquitto as `watchkeeper broker --render` sets
it up; it is killed and started again. Then a real edge sends through a line with a delay of 300 to
700 ms each way, 5 % of all chunks turned into a reset, and 64 kbit/s.
"""

import argparse
import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Final

from paho.mqtt.client import Client
from typing_extensions import override

from adapters.mqtt import Mqtt
from benchmarks.edge_parts import CLOCK, POINTS, Answers, Job, run, run_edge
from ops.bench.figure import Figure
from simulators.fault_proxy import FaultProxy
from simulators.faults import Faults
from tests import parts
from tests.brokers import rendered, secret_of
from watchkeeper.settings import Settings

LINE: Final = Faults(delay_s=0.3, jitter_s=0.4, reset=0.05, throttle_bps=64_000)
CALM_S: Final = 5.0  # connected so long before the broker is killed
BACK_BAR_S: Final = 60.0
_ABOVE: Final = 1.00001  # "at most" is written as "less than a hair more"


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return how 200 clients come back, and what a bad line loses."""
    count, down_s, seconds = 200, 15.0, 60.0
    if options.smoke:
        count, down_s, seconds = 20, 2.0, 5.0
    elif options.short:
        down_s, seconds = 5.0, 20.0
    logging.disable(logging.CRITICAL)  # each client says that it lost the broker, as it should
    try:
        return [*come_back(count, down_s), *bad_line(3, seconds)]
    finally:
        logging.disable(logging.NOTSET)


class Counted(Mqtt):
    """Notes each attempt to connect."""

    attempts: list[float]

    @override
    def _made(self) -> Client:
        vars(self).setdefault("attempts", []).append(CLOCK.tick())
        return super()._made()


def come_back(count: int, down_s: float) -> list[Figure]:
    """Kill the broker of so many clients, start it again after a while."""
    names = [f"edge-{n:03}" for n in range(count)]
    with TemporaryDirectory() as name:
        folder, port = Path(name), parts.free_port()
        config = rendered(folder, port, *names)
        clients: list[Counted] = []
        try:
            with parts.mosquitto(folder, config, port) as process:
                clients += [
                    Counted("127.0.0.1", port, each, username=each, password=secret_of(each))
                    for each in names
                ]
                parts.until(lambda: _all(clients), "not all connect", BACK_BAR_S)
                Event().wait(min(CALM_S, down_s))
                process.kill()
                killed = CLOCK.tick()
                Event().wait(down_s)
            with parts.mosquitto(folder, config, port):
                began = CLOCK.tick()
                parts.until(lambda: _all(clients), "not all come back", 2 * BACK_BAR_S)
                back_s = CLOCK.tick() - began
        finally:
            for each in clients:
                each.close()
    tried = [[tick for tick in each.attempts if tick > killed] for each in clients]
    load = f"{count} clients with accounts, mosquitto away for {down_s:g} s"
    mean = sum(map(len, tried)) / count / (down_s + back_s)
    return [
        Figure("broker.reconnect_200_s", back_s, "s", BACK_BAR_S, "<", f"{load}, to the last"),
        Figure(
            "broker.attempts_per_s_max", max(map(busiest, tried)), "attempts/s", _ABOVE, "<",
            f"{load}; in the busiest second of the busiest; on average {mean:.2f}",
        ),
    ]  # fmt: skip


def busiest(ticks: Sequence[float]) -> int:
    """Return how many of these (ascending) lie within one second, at most."""
    return max((sum(0 <= t - first < 1 for t in ticks) for first in ticks), default=0)


def _all(clients: Sequence[Mqtt]) -> bool:
    return all(each.connected for each in clients)


def run_behind(job: Job, out: Answers) -> None:
    """Be the edge, at the far end of the bad line."""
    proxy = FaultProxy("127.0.0.1", job.broker, Random(12))  # noqa: S311 - chance, no secret
    proxy.faults = LINE
    loop, listens = asyncio.new_event_loop(), Event()

    async def carry() -> None:
        await proxy.listen()
        listens.set()

    loop.create_task(carry())
    Thread(target=loop.run_forever, name="bad line", daemon=True).start()
    listens.wait(10)
    run_edge(replace(job, broker=proxy.port), out)


def bad_line(devices: int, seconds: float) -> list[Figure]:
    """Let an edge read devices each second, every value new, and send it through the line."""
    job = Job("", 0, 0, devices, 1.0, 1.0, seconds)
    began = CLOCK.tick()
    found = run(job, run_behind)
    took_s = CLOCK.tick() - began
    lost = found["reported"] - found["dropped"] - found["arrived"]
    load = (
        f"{found['reported']:,.0f} readings of {devices * POINTS} points in {seconds:g} s over "
        f"500 +- 200 ms, 5 % resets, 64 kbit/s; {found['twice']:.0f} messages came twice"
    )
    return [
        Figure("broker.bad_line_lost", lost, "readings", 1, "<", load),
        Figure(
            "broker.bad_line_s", took_s, "s", None, "<", "start, reading, until all is acknowledged"
        ),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a minute")
    parser.add_argument("--smoke", action="store_true", help="some seconds")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = "-" if figure.bar is None else f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:28} {figure.value:>10,.3f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
