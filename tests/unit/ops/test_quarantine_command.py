"""Poison through everything: mosquitto, the gateway as a process, the store, and the command."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.history import open_history
from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from ops import reach
from ops.main import main
from ops.quarantine import names_of
from tests import parts
from tests.parts import until
from watchkeeper import aside, site, wire
from watchkeeper.clock import unix_ms
from watchkeeper.history import Quarantined
from watchkeeper.ids import PointId
from watchkeeper.settings import Settings

ROOT = Path(__file__).parents[3]
PLANT = site.load(Settings().site_file(), Settings().catalog_folder() / "profiles")
EDGE = PLANT.site.edges[0]
POINTS = site.born(PLANT.points(EDGE))
HASH = wire.birth_hash(POINTS)
UP = f"wk/1/riverside/{EDGE.id}/up"
BATCHES, SIZE = 150, 100
AHEAD_S = 8  # a clock that is further ahead than the 5 min allowed, and right again so much later
YEAR_MS = 366 * 86_400_000


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    free = parts.free_port()
    with parts.mosquitto(tmp_path, f"listener {free} 127.0.0.1\nallow_anonymous true\n", free):
        yield free


@pytest.fixture
def words(port: int, tmp_path: Path) -> list[str]:
    """Return what leads a command to this broker and store."""
    file = tmp_path / "watchkeeper.toml"
    file.write_text(f'data = "{tmp_path / "var"}"\n[mqtt]\nport = {port}\n', "utf-8")
    return ["--config", str(file)]


@contextmanager
def gateway(words: list[str], folder: Path) -> Iterator[None]:
    """Run the gateway until the block ends."""
    command = [sys.executable, "-m", "ops.main", "gateway", *words]
    with (folder / "gateway.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, env=dict(os.environ))  # noqa: TID251 - handed on, not read
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(10) == 0


class Edge:
    """Sends one poison of each kind in a hundred readings, and knows what it has sent."""

    def __init__(self, port: int) -> None:
        self.now = unix_ms(SystemClock().now())
        self.acked, self.bad = set[int](), set[int]()
        self.good = Counter[str]()
        self.total = 0.0
        self.bus = Mqtt("127.0.0.1", port, f"{EDGE.id}.data")
        self.asked = False
        self.bus.subscribe(f"wk/1/riverside/{EDGE.id}/down/ack", self._acknowledged)
        self.bus.subscribe(f"wk/1/riverside/{EDGE.id}/down/birth", self._asked)
        until(lambda: self.bus.connected, "the edge does not connect")
        for birth in wire.births(POINTS, boot="b", software="1", config="c"):
            self.bus.publish(f"{UP}/birth/{birth.part}", wire.encode(birth), retain=True)

    def _acknowledged(self, _: str, payload: bytes) -> None:
        ack = wire.decode_ack(payload)
        for first, last in ack.ok:
            self.acked |= set(range(first, last + 1))
        self.bad |= {number for number, _ in ack.bad}

    def _asked(self, _: str, __: bytes) -> None:
        self.asked = True

    def heard(self) -> bool:
        """Return whether a gateway hears us: it asks for a birth that it does not know."""
        nobodys = {"v": 1, "j": "P", "q": 0, "h": "0" * len(HASH), "m": "live", "t": self.now,
                   "c": 1, "a": [0], "d": [0], "y": [0.0], "x": []}  # fmt: skip
        self.send(json.dumps(nobodys).encode())
        return self.asked

    def batch(self, number: int) -> bytes:
        """Return a batch: its first readings are poison, the others good."""
        start = self.now - (BATCHES - number) * 1_000
        ahead = self.now + 300_000 + AHEAD_S * 1_000 + number - start
        aliases: list[Any] = list(range(SIZE))
        values: list[Any] = [number + alias / 8 for alias in aliases]
        offsets = [0] * SIZE
        values[0] = float("nan")
        values[1] = "x" * 1_000_000 if number == 1 else "<b>twelve</b>"
        aliases[2] = 60_000
        offsets[3] = ahead
        offsets[4] = -6 * YEAR_MS
        for alias in aliases[6:]:
            self.good[POINTS[alias].point] += 1
        self.total += sum(values[6:])
        return json.dumps(
            {
                "v": 1, "j": "J", "q": number, "h": HASH, "m": "live", "t": start, "c": 1,
                "a": aliases, "d": offsets, "y": values, "x": [[5, 300]],
            }
        ).encode()  # fmt: skip

    def send(self, payload: bytes) -> None:
        assert self.bus.publish(f"{UP}/data", payload)


def counts(settings: Settings) -> dict[str, tuple[int, int]]:
    with closing(open_history(settings, "riverside", SystemClock(), writable=False)) as history:
        found = aside.counted(history, 0)
    assert found.whole
    assert {each.edge for each in found.counts} <= {EDGE.id}
    return {each.reason: (each.items, each.readings) for each in found.counts}


def stored(settings: Settings) -> tuple[Counter[str], float]:
    """Return how many readings each point has, and the sum of all."""
    number, total = Counter[str](), 0.0
    with closing(open_history(settings, "riverside", SystemClock(), writable=False)) as history:
        for point in history.points():
            track = history.raw(point, 0, 1 << 60)
            if len(track.at):
                number[str(point)] = len(track.at)
                total += float(track.value.sum())
    return number, total


@pytest.mark.part("mosquitto")
@pytest.mark.timeout(90)
@pytest.mark.serves("B4")
def test_of_poisoned_batches_all_that_is_good_is_stored_and_the_rest_is_counted_and_tried_again(
    port: int, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data=tmp_path / "var")
    edge = Edge(port)
    with closing(edge.bus), gateway(words, tmp_path):
        until(edge.heard, "no gateway")
        for number in range(BATCHES):
            edge.send(edge.batch(number))
        for number in (BATCHES, BATCHES + 1):  # one in a hundred is not even whole
            edge.send(f'{{"j":"J","q":{number},"h":"{HASH}","t":'.encode())
            edge.send(f'{{"j":"J","q":{number},"h":"{HASH}","n":{number}}}'.encode())
        until(lambda: edge.acked == set(range(BATCHES)), "not all were acknowledged")
        until(lambda: edge.bad == {BATCHES, BATCHES + 1}, "what cannot be read was not refused")
        assert stored(settings) == (edge.good, pytest.approx(edge.total))
        assert counts(settings) == {
            "value": (BATCHES, BATCHES),
            "type": (BATCHES, BATCHES),
            "alias": (BATCHES, BATCHES),
            "time": (BATCHES, 2 * BATCHES),
            "quality": (BATCHES, BATCHES),
            "unreadable": (4, 0),
        }
        ahead = aside_ids(settings, "time")
        until(
            lambda: unix_ms(SystemClock().now()) > edge.now + (AHEAD_S + 3) * 1_000,
            "the clock stands", deadline_s=2 * AHEAD_S + 6,
        )  # fmt: skip
        capsys.readouterr()
        assert main(["quarantine", "rerun", *map(str, ahead), *words]) == 0
        assert f"{len(ahead)} of {len(ahead)} taken out" in capsys.readouterr().out
        # What was ahead is in; what is six years old stays, in items of its own.
        assert counts(settings)["time"] == (BATCHES, BATCHES)
        late = str(POINTS[3].point)
        assert stored(settings)[0] == edge.good + Counter({late: BATCHES})

        unreadable = aside_ids(settings, "unreadable")
        assert main(["quarantine", "drop", *map(str, unreadable), *words]) == 0
        assert "unreadable" not in counts(settings)
        assert main(["quarantine", "rerun", *words, "--all"]) == 0
        assert stored(settings)[0] == edge.good + Counter({late: BATCHES})


def aside_ids(settings: Settings, reason: str) -> list[int]:
    with closing(open_history(settings, "riverside", SystemClock(), writable=False)) as history:
        return [item.id for item in aside.page(history, 1_000, reason=reason).items]


@pytest.fixture
def filled(tmp_path: Path) -> Settings:
    """Give a store with one item of each shape."""
    settings = Settings(data=tmp_path / "var")
    clock, at = SystemClock(), unix_ms(SystemClock().now())
    origin = f"riverside/{EDGE.id}"
    rows = [[0, at, 1.5, 0], [60_000, at, "<b>\x1b[2J", 0], [1, "noon", 2, 300]]
    batch, gap = wire.Aside("J", 1, HASH, rows), wire.Gap("J", 2, HASH, "back", (at, at + 9, 50))
    items = [
        Quarantined(at, origin, "alias", wire.encode(batch), 3),
        Quarantined(at, origin, "gap", wire.encode(gap), 50),
        Quarantined(at, origin, "unreadable", b"\xff{", 0),
        Quarantined(at, "reading", "store: no room", b"reading,point=a v=1", 1),
    ]
    with closing(open_history(settings, "riverside", clock, writable=True)) as history:
        history.series([PointId("a")])
        history.quarantine(items)
    return settings


@pytest.mark.serves("B4")
def test_a_list_says_how_much_and_what(
    filled: Settings, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quarantine", "list", *words]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "last 24 h:"
    assert [line.split()[:3] for line in told[1:5]] == [
        ["gap", EDGE.id, "50"],
        ["alias", EDGE.id, "3"],
        ["store", "reading", "1"],
        ["unreadable", EDGE.id, "0"],
    ]
    assert [line.split()[0] for line in told[5:]] == ["4", "3", "2", "1", "4"]
    assert told[-2].endswith(f"{POINTS[0].point} = 1.5")
    assert main(["quarantine", "list", *words, "--reason", "gap", "--edge", EDGE.id]) == 0
    assert "given up by the edge" in capsys.readouterr().out
    assert main(["quarantine", "list", *words, "--limit", "1"]) == 0
    assert capsys.readouterr().out.endswith("more: --before 4\n")
    assert filled.data.exists()


def test_one_is_shown_with_all_its_readings(
    filled: Settings, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quarantine", "show", "1", "2", "3", "4", *words]) == 0
    told = capsys.readouterr().out
    assert f"{POINTS[0].point}  1.5  quality 0" in told
    assert "alias 60000  <b>·[2J  quality 0" in told
    assert f"noon  {POINTS[1].point}  2  quality 300" in told
    assert "store: no room" in told
    assert "\x1b" not in told
    assert main(["quarantine", "show", "77", *words]) == 2
    assert "there is no 77" in capsys.readouterr().err
    assert filled.data.exists()


@pytest.mark.parametrize(
    "asked",
    [["list", "1"], ["show"], ["rerun"], ["rerun", "1", "--all"], ["drop"], ["drop", "1", "--all"],
     ["list", "--limit", "0"]],
    ids=" ".join,
)  # fmt: skip
def test_what_is_not_clear_is_refused(
    words: list[str], asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quarantine", *asked, *words]) == 2
    assert "which items are meant" in capsys.readouterr().err


@pytest.mark.part("mosquitto")
def test_without_a_gateway_it_says_so(
    filled: Settings, words: list[str], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(reach, "SAID_EVERY_S", 0.5)
    assert main(["quarantine", "rerun", "--all", *words]) == 1
    assert "no gateway is there" in capsys.readouterr().out
    assert sorted(counts_of(filled)) == ["alias", "gap", "store", "unreadable"]


def counts_of(settings: Settings) -> list[str]:
    with closing(open_history(settings, "riverside", SystemClock(), writable=False)) as history:
        return [aside.word_of(item) for item in history.quarantined()]


def test_without_a_broker_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "CONNECT_S", 0.5)
    file = tmp_path / "watchkeeper.toml"
    nobody = parts.free_port()
    file.write_text(f'data = "{tmp_path / "var"}"\n[mqtt]\nport = {nobody}\n', "utf-8")
    for asked in (["quarantine", "drop", "1"], ["replay", EDGE.id, "--since", "2026-11-24"]):
        assert main([*asked, "--config", str(file)]) == 2
        assert "watchkeeper doctor" in capsys.readouterr().err


def test_names_come_from_the_births_of_the_site_file() -> None:
    names = names_of(PLANT)
    assert (names(EDGE.id, HASH) or {})[0] == POINTS[0].point
    assert names(EDGE.id, "older") is None
