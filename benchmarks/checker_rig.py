"""The transport under load: 50 edges, a broker, the real gateway, a store; each may be struck."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Event
from typing import Final, Literal, Self, TypeAlias

from adapters.history import open_history
from adapters.history.embedded import EmbeddedHistory
from benchmarks.checker_edges import CLOCK, EDGES, SITE_ID, Board, Load, be_edges
from benchmarks.checker_verdict import Part, aside, doubled, expected_aside, judge
from broker import mosquitto
from ops.programs import Program, listens
from tests import parts
from watchkeeper.clock import unix_ms
from watchkeeper.history import History
from watchkeeper.settings import HistorySettings, Mqtt, Settings

BrokerKind: TypeAlias = Literal["default", "ours", "embedded"]
StoreKind: TypeAlias = Literal["embedded", "influx"]

LONGEST_S: Final = 40.0  # is waited for what should come in 10
NEVER_S: Final = 999.0  # stands for what did not come back at all
DRAIN_S: Final = 90.0
BEFORE_S: Final = 1.0  # between start and first reading
SITE: Final = """schema: wk.site/1
site: {id: checked, name: {zh: 测, en: Checked}}
places: [{id: house, name: {zh: 楼, en: House}}]
edges: [{id: edge-0, buses: [{id: lan, modbus_tcp: {host: 127.0.0.1, port: 1}}], units: []}]
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """Which parts, and how much they carry."""

    broker: BrokerKind = "default"
    store: StoreKind = "embedded"
    points: int = 20  # of each of 50 edges, ten readings a second of each
    data: Path | None = None  # of the gateway, where it is not to be among the rest
    environment: dict[str, str] = field(default_factory=dict)  # more, of the gateway

    @property
    def named(self) -> str:
        """Return the parts in words."""
        store = "InfluxDB 1.6.7" if self.store == "influx" else "embedded store"
        brokers = {
            "default": "mosquitto as it is", "ours": "mosquitto as we set it up",
            "embedded": "embedded broker",
        }  # fmt: skip
        return f"{brokers[self.broker]}, {store}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a run."""

    setting: Setting
    parts: list[Part]
    unacknowledged: int  # batches, at the end
    doubled: int  # readings that one segment of the embedded store holds twice
    aside: Counter[str]  # items of the quarantine, by reason
    wanted_aside: Counter[str]


class Rig:
    """All processes; ended when the block ends."""

    def __init__(self, folder: Path, setting: Setting) -> None:
        """Prepare; `folder` is for files that no power cut may touch."""
        self.folder, self.setting = folder, setting
        self.parts: list[Part] = []
        self._pause = Event()
        self._stack = ExitStack()
        self._own: dict[str, ExitStack] = {}
        self._pids: dict[str, int] = {}
        context = get_context("spawn")
        self.board = Board(context)
        self._port, self._http = parts.free_port(), parts.free_ports(2)
        journals = folder / "journals"
        journals.mkdir()
        self.load = Load(
            str(journals), self._port, setting.points,
            unix_ms(CLOCK.now()) + int(1000 * BEFORE_S), setting.broker == "ours",
        )  # fmt: skip
        self._edges = context.Process(target=be_edges, args=(self.load, self.board), daemon=True)
        (folder / "checked.yaml").write_text(SITE, "utf-8")
        self.settings = Settings(
            data=setting.data or folder / "var",
            site=folder / "checked.yaml",
            mqtt=Mqtt(port=self._port),
            history=HistorySettings(
                store=setting.store, url=f"http://127.0.0.1:{self._http}", write_path="v1"
            ),
        )
        self.gateway = self._program("gateway", *self._as("gateway"))

    def __enter__(self) -> Self:
        """Start everything; readings flow when this returns."""
        try:
            if self.setting.store == "influx":
                self.start("store")
            self.start("broker")
            self._edges.start()
            self.start("gateway")
            parts.until(lambda: self.board.ordered("ready"), "the edges are not there", 60)
            self._flows()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        if self._edges.is_alive():
            self._edges.kill()
            self._edges.join(5)
        self.gateway.stop(30)
        for each in (*self._own.values(), self._stack):
            each.close()

    def begin(self, name: str) -> Part:
        """Begin a part of the run: what is read from now on counts for it."""
        self.parts.append(Part(name, unix_ms(CLOCK.now())))
        return self.parts[-1]

    def rest(self, seconds: float) -> None:
        """Let it run."""
        self._pause.wait(seconds)

    def start(self, name: str) -> None:
        """Start a part."""
        if name == "gateway":
            self.gateway.start()
            self._pids[name] = self.gateway.process.pid if self.gateway.process else 0
            return
        stack = self._own[name] = ExitStack()
        runs = self._broker if name == "broker" else self._influxd
        self._pids[name] = stack.enter_context(runs())

    def kill(self, name: str) -> None:
        """Kill -9."""
        self._gets(name, signal.SIGKILL)
        if name == "gateway" and self.gateway.process is not None:
            self.gateway.process.wait(10)
        elif name in self._own:
            self._own.pop(name).close()

    def halt(self, name: str) -> None:
        """Stop it where it stands: its connections stay open."""
        self._gets(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let it go on."""
        self._gets(name, signal.SIGCONT)

    @contextmanager
    def returning(self) -> Iterator[None]:
        """Note how long it takes from here until live readings of every edge are acknowledged."""
        tick, at = CLOCK.tick(), unix_ms(CLOCK.now())
        yield
        try:
            parts.until(lambda: bool((self.board.newest >= at).all()), "", LONGEST_S)
            self.parts[-1].back_s.append(CLOCK.tick() - tick)
        except AssertionError:
            self.parts[-1].back_s.append(NEVER_S)

    def drain(self) -> int:
        """Read no more, and wait until all is acknowledged; return how many batches are not."""
        self.board.order("end", on=True)
        self.rest(0.3)
        self.board.order("replay", on=False)
        try:
            parts.until(lambda: self.board.noted().open() == 0, "", DRAIN_S)
        except AssertionError:
            return self.board.noted().open()
        return 0

    def verdict(self, unacknowledged: int) -> Verdict:
        """End the gateway and judge every part."""
        self.gateway.stop(60)
        history, noted = self.history(), self.board.noted()
        try:
            judge(history, noted, self.load, self.parts)
            kept, wanted = aside(history), expected_aside(noted)
        finally:
            history.close()
        twice = doubled(self.store_file) if self.setting.store == "embedded" else 0
        return Verdict(self.setting, self.parts, unacknowledged, twice, kept, wanted)

    @property
    def store_file(self) -> Path:
        """Return where the embedded store is."""
        return self.settings.data / "history" / f"{SITE_ID}.db"

    def history(self) -> History:
        """Return the store, settled; only when no gateway runs."""
        if self.setting.store == "influx":
            return open_history(self.settings, SITE_ID, CLOCK, writable=False)
        history = EmbeddedHistory(self.store_file, clock=CLOCK, writable=True)
        history.settle()
        return history

    def _gets(self, name: str, number: signal.Signals) -> None:
        os.kill(self._pids[name], number)

    def _program(self, name: str, user: str, password: str) -> Program:
        environment = {
            "WATCHKEEPER_DATA": str(self.settings.data),
            "WATCHKEEPER_SITE": str(self.settings.site),
            "WATCHKEEPER_MQTT__PORT": str(self._port),
            "WATCHKEEPER_HISTORY__STORE": self.setting.store,
            "WATCHKEEPER_HISTORY__URL": self.settings.history.url,
            "WATCHKEEPER_HISTORY__WRITE_PATH": "v1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        if user:
            environment |= {
                "WATCHKEEPER_MQTT__USERNAME": user,
                "WATCHKEEPER_MQTT__PASSWORD": password,
            }
        environment |= self.setting.environment if name == "gateway" else {}
        ready = partial(listens, "127.0.0.1", self._port)
        return Program(name, [name], ready, environment, self.folder / f"{name}.log")

    def _as(self, user: str) -> tuple[str, str]:
        return (user, user) if self.setting.broker == "ours" else ("", "")

    @contextmanager
    def _broker(self) -> Iterator[int]:
        if self.setting.broker == "embedded":
            program = self._program("broker", "", "")
            program.start()
            try:
                parts.until(program.ready, f"no broker: {program.last_lines()}", 30)
                yield program.process.pid if program.process else 0
            finally:
                program.stop()
            return
        config = f"listener {self._port} 127.0.0.1\nallow_anonymous true\n"
        if self.setting.broker == "ours":
            self._accounts()
            config = mosquitto.config(str(self.folder), host="127.0.0.1", port=self._port)
        with parts.mosquitto(self.folder, config, self._port) as process:
            yield process.pid

    def _accounts(self) -> None:
        if not (self.folder / "passwords").exists():
            users = ["gateway", *(f"edge-{number}" for number in range(EDGES))]
            made = [(user, user, user.ljust(12).encode()[:12]) for user in users]
            (self.folder / "passwords").write_text(mosquitto.passwords(made), "utf-8")
            (self.folder / "acl").write_text(mosquitto.access([SITE_ID]), "utf-8")

    @contextmanager
    def _influxd(self) -> Iterator[int]:
        folder = self.folder / "influx"
        folder.mkdir(exist_ok=True)
        (folder / "influxdb.conf").write_text(
            parts.influx_config(folder, self._http, self._http + 1), "utf-8"
        )
        command = [parts.program("influxd"), "-config", str(folder / "influxdb.conf")]
        with parts.running(command, folder / "log", self._http) as process:
            yield process.pid

    def _flows(self) -> None:
        """Wait until every edge has had an acknowledgement; AssertionError: what went wrong."""
        try:
            parts.until(
                lambda: bool(self.board.newest.all()) or not self.gateway.alive(), "", LONGEST_S
            )
            assert self.gateway.alive()  # noqa: S101 - told below
        except AssertionError as error:
            raise AssertionError(f"nothing flows:\n{self.gateway.last_lines()}") from error
