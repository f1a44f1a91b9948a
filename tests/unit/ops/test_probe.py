import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ops.main import main
from simulators import modbus_server
from simulators.building import Building
from simulators.extras import Extras
from tests.fakes_modbus import FakeDevice, listening
from tests.fakes_rtu import over_tcp
from tests.parts import free_port
from watchkeeper import site
from watchkeeper.clock import unix_ms

T = TypeVar("T")
CATALOG = Path(__file__).resolve().parents[3] / "catalog"
NOON_MS = unix_ms(datetime(2026, 6, 3, 4, tzinfo=UTC))
PROFILE = """schema: wk.profile/1
id: thing
name: {zh: 物, en: Thing}
equipment: electricity_meter
source: made up for this test
modbus: {function: 3, timeout_s: 0.3}
points:
  - {id: model, name: {zh: 型, en: Model}, address: 0, type: string, length: 4}
  - {id: power, name: {zh: 功, en: Power}, address: 4, type: int16, unit: W,
     scale_from: digits, decimals: 2}
  - {id: digits, name: {zh: 位, en: Digits}, address: 5, type: int16}
  - {id: mode, name: {zh: 态, en: Mode}, address: 6, type: uint16,
     words: [{value: 1, name: {zh: 行, en: running}}]}
  - {id: level, name: {zh: 位, en: Level}, address: 7, type: uint16, possible: [0, 100]}
  - {id: missing, name: {zh: 无, en: Missing}, address: 8, type: uint16}
  - {id: running, name: {zh: 行, en: Running}, address: 3, type: bool, function: 1}
"""


class Serving:
    """An event loop on a thread of its own, for a command that has its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def close(self) -> None:
        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextmanager
def served(kind: AbstractAsyncContextManager[int]) -> Iterator[int]:
    """Serve what an asynchronous context manager serves, on a thread; give its port."""
    serving, stack = Serving(), AsyncExitStack()
    try:
        yield serving.run(stack.enter_async_context(kind))
    finally:
        serving.run(stack.aclose())
        serving.close()


@pytest.fixture
def meters() -> Iterator[int]:
    """Give the port of the demo site's bus of meters."""
    plant = site.load(CATALOG / "sites/riverside-plaza.yaml", CATALOG / "profiles")
    building = Building(plant, seed=7, start_ms=NOON_MS, extras=Extras())

    @asynccontextmanager
    async def bus() -> AsyncIterator[int]:
        made = await modbus_server.serve(building.bus("meters"), "127.0.0.1", 0)
        yield int(made.sockets[0].getsockname()[1])
        made.close()

    with served(bus()) as port:
        yield port


@pytest.fixture
def thing(tmp_path: Path) -> tuple[FakeDevice, str]:
    file = tmp_path / "thing.yaml"
    file.write_text(PROFILE, "utf-8")
    device = FakeDevice()
    device.put(5, 0, 0x5344, 0x4D36, 0x3330, 0, 1234, 0xFFFE, 7, 400)
    device.put(5, 3, 1, function=1)
    return device, str(file)


@pytest.mark.serves("A2")
def test_the_demo_meter_fits_its_profile(meters: int, capsys: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{meters}"

    assert main(["probe", address, "--profile", "eastron-sdm630", "--unit", "1"]) == 0

    told = capsys.readouterr().out.splitlines()
    (power,) = (line.split() for line in told if line.startswith("active_power "))
    assert power[3].replace(",", "").lstrip("-").isdecimal()
    assert power[4:] == ["W", "good"]
    assert told[-1].endswith("points, 0 of them do not fit")


@pytest.mark.serves("A2")
@pytest.mark.parametrize("options", [[], ["--rtu"]], ids=["tcp", "rtu over tcp"])
def test_what_does_not_fit_is_told(
    thing: tuple[FakeDevice, str], options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    device, file = thing
    with served(over_tcp(device) if options else listening(device)) as port:
        command = ["probe", f"127.0.0.1:{port}", "--profile", file, "--unit", "5", *options]
        assert main(command) == 1

    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "5344 4d36 3330 0000" in lines["model"]
    assert "'SDM630'" in lines["model"]
    assert lines["power"].split() == ["power", "04d2", "12.34", "W", "good"]
    assert lines["mode"].endswith("no word for 7")
    assert lines["level"].endswith("outside possible 400 is outside possible 0 to 100")
    assert lines["missing"].endswith("refused, exception 2")
    assert lines["running"].split() == ["running", "0001", "1.0", "good"]
    assert lines["7"] == "7 points, 3 of them do not fit"


@pytest.mark.serves("A2")
def test_a_scan_finds_who_answers(
    thing: tuple[FakeDevice, str], capsys: pytest.CaptureFixture[str]
) -> None:
    device, _ = thing
    device.silent |= set(range(1, 11)) - {5, 7}
    with served(listening(device)) as port:
        command = ["scan", f"127.0.0.1:{port}", "--units", "3-8", "--timeout", "0.05"]
        assert main(command) == 0

    assert capsys.readouterr().out.splitlines() == [
        "unit   5 answers (holding register 0 is 5344)",
        "unit   7 answers (exception 2 to holding register 0)",
        "2 of 6 numbers answer",
    ]


def test_a_scan_of_the_demo_site_finds_its_meters(
    meters: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan", f"127.0.0.1:{meters}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "28 of 247 numbers answer"


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["probe", "a:b:c", "--profile", "eastron-sdm630"], "a:b:c: is no address"),
        (["probe", "h:0", "--profile", "eastron-sdm630"], "h:0: is no address"),
        (["probe", "h", "--profile", "nothing"], "nothing: is no profile"),
        (["probe", "h", "--profile", "eastron-sdm630", "--ct", "5"], "--ct: `5`"),
        (["probe", "/dev/none", "--profile", "xy-md02", "--baud", "9"], "--baud: Invalid"),
        (["probe", "/dev/none", "--profile", "xy-md02"], "/dev/none: cannot be opened"),
        (["scan", f"127.0.0.1:{free_port()}"], "cannot be opened"),
        (["scan", "h", "--units", "9-3"], "--units: `9-3` is no range"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(
    command: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert what in told
    assert told.endswith(")")
