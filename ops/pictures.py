"""`python -m ops.pictures`: the pictures of the documentation, made by the product itself.

Starts the demonstration without its lively part, makes things happen and looks through Chromium.
"""

import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from adapters.system_clock import SystemClock
from ops.bench.alarm import CHROMIUM, QUIET
from ops.demo import PASSWORD, past, placed, the_programs
from ops.observe import Api, Building, Json
from ops.programs import Supervisor, listens
from watchkeeper import settings as configuration
from watchkeeper.settings import Settings

FOLDER = Path("docs/pictures")
FIRST_BASE, BASES_APART, PORTS = 31_000, 40, 12
COLOURS = 256  # a palette: a picture of a calm screen needs no more, and stays under 200 kB
SEED = 1
SOON_S, PAST_S = 60.0, 240.0
SETTLED_MS = 2_500  # a screen has asked for all it shows
SLOW_MS = 8_000  # a screen that Streamlit draws
DESK: ViewportSize = {"width": 1440, "height": 900}
WALL: ViewportSize = {"width": 1920, "height": 1080}
PHONE: ViewportSize = {"width": 390, "height": 844}


def main() -> int:
    """Make all pictures; return an exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder)) as settings,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        _play(Stage(settings, browser, Building(settings.ports.simulators)))
        browser.close()
    for picture in sorted(FOLDER.glob("*.png")):
        print(f"{picture} {picture.stat().st_size // 1024} kB")
    return 0


def free_base() -> int:
    """Return the first port of a row that nobody listens on."""
    bases = range(FIRST_BASE, FIRST_BASE + 50 * BASES_APART, BASES_APART)
    return next(
        base
        for base in bases
        if not any(listens("127.0.0.1", base + number) for number in range(PORTS))
    )


@contextmanager
def running(data: Path) -> Iterator[Settings]:
    """Run the product on a simulated building with last month in its history."""
    settings = placed(configuration.load(None).model_copy(update={"data": data}), free_base())
    clock = SystemClock()
    programs = Supervisor(the_programs(settings, seed=SEED, lively=False, sink=None), clock)
    history = past(settings, SEED)
    try:
        programs.start(lambda name, seconds: print(f"{name} {seconds:.1f} s", flush=True))
        history.start()
        if history.process:
            history.process.wait(PAST_S)
        yield settings
    finally:
        history.stop()
        programs.stop()


@dataclass(frozen=True)
class Stage:
    """The running product, and who looks at it."""

    settings: Settings
    browser: Browser
    building: Building

    def person(self, account: str) -> Api:
        """Return a person's way to the API."""
        return Api(self.settings.server.public_url, account, PASSWORD, SystemClock())

    @contextmanager
    def screen(
        self, account: str, size: ViewportSize, language: str, *, dark: bool = False
    ) -> Iterator[Page]:
        """Sign a person in on a screen of their own."""
        context = self.browser.new_context(
            viewport=size,
            locale=language,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",  # a mark that pulses would be half there
        )
        page = context.new_page()
        page.goto(self.settings.server.public_url)
        page.fill("input[name=user]", account)
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.locator(".wk .top").wait_for()
        page.wait_for_timeout(SETTLED_MS)
        yield page
        context.close()


def _play(stage: Stage) -> None:
    chief = stage.person("chenlei")
    _overload(stage, chief)
    _entrapment(stage, chief)
    _fire(stage, chief)
    _month(stage, chief)
    chief.close()


def _overload(stage: Stage, chief: Api) -> None:
    """Show a feeder over its rating: the list with its trend, and the order on a phone."""
    stage.building.scenario("overload", unit="hvac-1")
    alarm = chief.wait("overload", partial(_alarm, chief, "feeder-overload"), SOON_S)
    chief.wait("order", lambda: chief.get(f"/alarms/{alarm['id']}").get("order"), SOON_S)
    with stage.screen("wangqiang", PHONE, "zh-CN") as page:
        page.locator(".sheet .card").wait_for()
        _keep(page, "phone")
    stage.building.scenario("detector", unit="fire-panel", detectors=[44])
    stage.building.scenario("lift-fault", unit="lift-2")
    chief.wait("fault", partial(_alarm, chief, "lift-fault"), SOON_S)
    chief.wait("detector", partial(_alarm, chief, "detector-fault"), SOON_S)
    chief.post(f"/alarms/{alarm['id']}/acknowledge")
    chief.rest(SOON_S)  # so that the trend shows what happened
    with stage.screen("chenlei", DESK, "zh-CN") as page:
        page.click(".nav [data-go=alarms]")
        page.locator(f".gr[data-id='{alarm['id']}']").click()
        page.wait_for_timeout(SETTLED_MS)
        _keep(page, "alarms")


def _entrapment(stage: Stage, chief: Api) -> None:
    """Show people in a lift between floors: the wall by day."""
    stage.building.scenario("entrapment", unit="lift-3")
    chief.wait("entrapment", lambda: chief.get("/runs", open=True), SOON_S)
    with stage.screen("chenlei", WALL, "zh-CN") as page:
        page.locator(".emg").wait_for()
        _keep(page, "wall")


def _fire(stage: Stage, chief: Api) -> None:
    """Show a fire besides: the console of the run, and the wall by night."""
    stage.building.scenario("fire", unit="fire-panel", detectors=[27, 28])
    run = chief.wait("fire", partial(_run, chief, "fire"), SOON_S)
    for step in [step for step in run["steps"] if step["state"] == "ready"][:1]:
        chief.post(f"/runs/{run['id']}/steps/{step['key']}/done", {"reason": "", "note": ""})
    chief.rest(SOON_S / 4)
    with stage.screen("chenlei", DESK, "en-GB") as page:
        page.locator(".emg .btn").click()
        page.wait_for_timeout(SETTLED_MS)
        _keep(page, "emergency")
    with stage.screen("chenlei", WALL, "en-GB", dark=True) as page:
        _keep(page, "wall-dark")


def _month(stage: Stage, chief: Api) -> None:
    """Show last month: the energy screen, and the first page of its report."""
    zone = ZoneInfo(chief.get("/site")["time_zone"])
    first = SystemClock().now().astimezone(zone).replace(day=1)
    month = (first - timedelta(days=1)).strftime("%Y-%m")
    with stage.screen("zhaoyan", DESK, "en-GB") as page:
        page.get_by_test_id("stSelectbox").locator("input").click()
        page.get_by_role("option", name=month).click()
        page.wait_for_timeout(SLOW_MS)
        _keep(page, "energy")
    paper = chief.client.get(
        f"/api/v1/reports/month/{month}.pdf", params={"lang": "en"}, timeout=60
    )
    _store(_drawn(paper.raise_for_status().content), "report")


def _alarm(chief: Api, rule: str) -> Json | None:
    found: list[Json] = chief.get("/alarms", open=True)
    return next((alarm for alarm in found if alarm["rule"] == rule), None)


def _run(chief: Api, plan: str) -> Json | None:
    found: list[Json] = chief.get("/runs", open=True)
    return next((run for run in found if run["plan"] == plan), None)


def _drawn(pdf: bytes) -> bytes:
    """Return the first page of a PDF as a PNG."""
    words = ["pdftoppm", "-png", "-r", "90", "-f", "1", "-l", "1", "-"]
    return subprocess.run(words, input=pdf, check=True, capture_output=True).stdout


def _keep(page: Page, name: str) -> None:
    _store(page.screenshot(), name)


def _store(png: bytes, name: str) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    small = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main())
