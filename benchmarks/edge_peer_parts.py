"""The processes of `benchmarks.edge_peer`: counted devices, a platform, the gateway.

All of them, and our edge after them, live in a network namespace that has loopback and nothing
else: the gateway would ask its maker for a new version and a package index for modules.
"""

import asyncio
import fcntl
import json
import socket
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import psutil
import uvloop
from typing_extensions import override

from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from benchmarks.edge_parts import POINTS, Device, prepared
from benchmarks.edge_peer_config import Place, Setting, files, session_limits
from tests import parts
from watchkeeper.clock import unix_ms
from watchkeeper.errors import ConfigError

DEVICES: Final = 20
CHANGE: Final = 0.2
HOSTS: Final = tuple(f"127.0.0.{1 + n}" for n in range(DEVICES))
START_S: Final = 60.0  # until every device has been heard of
SETTLE_S: Final = 2.0
LATE_S: Final = 2.5  # after the window, for what was read in it
CLOCK: Final = SystemClock()
SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # linux/sockios.h, linux/if.h

Telemetry: TypeAlias = dict[str, list[dict[str, Any]]]  # {device: [{ts: ms, values: {key: value}}]}


@dataclass(frozen=True, slots=True)
class Run:
    """What the gateway did in a window of time."""

    polled: int  # readings the devices gave it
    arrived: int  # readings of that time the platform got
    share: float  # of what it reads, what it has to report
    cpu_s: float  # of the gateway and its children, all threads
    wall_s: float
    rss_mb: float

    @property
    def kept(self) -> float:
        """Return the share of what it had to report that arrived, at most 1."""
        return min(1.0, self.arrived / (self.polled * self.share)) if self.polled else 0.0

    @property
    def polled_per_cpu_s(self) -> float:
        """Return what it read, arrived or not."""
        return self.polled / self.cpu_s

    @property
    def carried_per_cpu_s(self) -> float:
        """Return what it read and whose report arrived: what is compared."""
        return self.polled_per_cpu_s * self.kept


class Counted(Device):
    """Counts the readings it gives."""

    def __init__(self, answers: list[bytes], count: Any) -> None:
        super().__init__(answers)
        self._count = count

    @override
    def data_received(self, data: bytes) -> None:
        self._count.value += POINTS
        super().data_received(data)


def serve(port: int, count: Any) -> None:
    """Be all devices, an address each, until ended."""
    answers = prepared(CHANGE)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Counted(answers, count), list(HOSTS), port)
        await server.serve_forever()

    uvloop.run(main())


class Platform:
    """Stands for ThingsBoard: answers what the gateway waits for, counts what it publishes."""

    def __init__(self, broker: int) -> None:
        self._arrived, self._devices = Counter[int](), set[str]()
        self._lock = Lock()
        self._bus = Mqtt("127.0.0.1", broker, "platform")
        self._bus.subscribe("v1/devices/me/rpc/request/+", self._answer)
        self._bus.subscribe("v1/gateway/telemetry", self._take)

    def _answer(self, topic: str, payload: bytes) -> None:
        if json.loads(payload).get("method") == "getSessionLimits":
            back = topic.replace("/request/", "/response/")
            self._bus.publish(back, json.dumps(session_limits()).encode())

    def _take(self, _topic: str, payload: bytes) -> None:
        message: Telemetry = msgspec.json.decode(payload)
        with self._lock:
            self._devices |= message.keys()
            self._arrived += readings_of(message)

    @property
    def connected(self) -> bool:
        """Return whether it hears what is published."""
        return self._bus.connected

    @property
    def complete(self) -> bool:
        """Return whether every device has been heard of."""
        return len(self._devices) == DEVICES

    def arrived(self, start: int, end: int) -> int:
        """Return how many readings came that the gateway took from start to end, Unix ms."""
        with self._lock:
            return sum(count for at, count in self._arrived.items() if start <= at < end)

    def close(self) -> None:
        """Leave the broker."""
        self._bus.close()


Around: TypeAlias = tuple[Place, Platform, Any]  # and the readings given so far


def readings_of(message: Telemetry) -> Counter[int]:
    """Return how many readings of each instant, Unix ms, are in one message of the gateway."""
    found = Counter[int]()
    for packs in message.values():
        for pack in packs:
            found[pack["ts"]] += len(pack["values"])
    return found


def changing(answers: Sequence[bytes]) -> float:
    """Return the share of the values that differ from the answer before, round and round."""
    words = np.array([np.frombuffer(answer[-4 * POINTS :], ">u4") for answer in answers])
    return float((words != np.roll(words, 1, axis=0)).mean())


def only_loopback() -> None:
    """Switch loopback on; ConfigError when this process can reach anything else."""
    names = [name for _, name in socket.if_nameindex()]
    if names != ["lo"]:
        raise ConfigError(
            where="bench peer",
            what=f"the gateway may not run where it finds {', '.join(names)}",
            fix="start it by `python -m benchmarks.edge_peer`",
        )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def run(python: Path, setting: Setting, seconds: float) -> Run:
    """Run the gateway in one setting; ConfigError when it publishes nothing."""
    share = changing(prepared(CHANGE)) if setting.report == "ON_CHANGE" else 1.0
    with TemporaryDirectory() as folder, _around(Path(folder)) as around:
        config, log = Path(folder) / "config", Path(folder) / "gateway.log"
        config.mkdir()
        for name, content in files(setting, around[0]).items():
            (config / name).write_text(json.dumps(content), "utf-8")
        with _gateway(python, config, log) as process:
            _until_complete(around[1], log)
            return _window(share, process, around, seconds)


def _until_complete(platform: Platform, log: Path) -> None:
    try:
        parts.until(lambda: platform.complete, "", START_S)
    except AssertionError as error:
        words = log.read_text("utf-8", "replace")[-1000:]
        raise ConfigError(
            where="bench peer",
            what=f"thingsboard-gateway published nothing within {START_S:.0f} s: {words}",
            fix="delete .peers/ and run `make peers` again",
        ) from error


def _window(share: float, process: psutil.Process, around: Around, seconds: float) -> Run:
    _, platform, count = around
    pause, marks = Event(), []
    pause.wait(SETTLE_S)
    for length in (seconds, LATE_S):
        marks.append((unix_ms(CLOCK.now()), count.value, cpu_s(process), CLOCK.tick()))
        pause.wait(length)
    (start, *first), (end, *last) = marks
    polled, cpu, wall = (after - before for before, after in zip(first, last, strict=True))
    rss = sum(one.memory_info().rss for one in _tree(process)) / (1 << 20)
    return Run(int(polled), platform.arrived(start, end), share, cpu, wall, rss)


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU seconds of a process, its living children and those it has buried."""
    return sum(sum(one.cpu_times()[:4]) for one in _tree(process))


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


@contextmanager
def _around(folder: Path) -> Iterator[Around]:
    """Run broker, platform and devices."""
    context, broker, modbus = get_context("spawn"), parts.free_port(), parts.free_port()
    count = context.RawValue("Q", 0)
    config = f"listener {broker} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
    with parts.mosquitto(folder, config, broker):
        platform = Platform(broker)
        devices = context.Process(target=serve, args=(modbus, count))
        devices.start()
        try:
            parts.until(lambda: parts.listens(modbus) and platform.connected, "no devices")
            yield Place(HOSTS, modbus, broker, 2 * POINTS, str(folder)), platform, count
        finally:
            devices.terminate()
            devices.join(5)
            platform.close()


@contextmanager
def _gateway(python: Path, config: Path, log: Path) -> Iterator[psutil.Process]:
    environment = {"PATH": parts.SBIN, "TB_GW_CONFIG_DIR": str(config), "PIP_NO_INDEX": "1"}
    command = [str(python), "-m", "thingsboard_gateway.tb_gateway"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=config.parent, env=environment, stdout=output, stderr=output
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()  # asked politely it takes ten seconds
        process.wait()
