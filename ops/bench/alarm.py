"""`bench alarm`: a register flips; when does a browser show it, when has a webhook sink it?"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TypeAlias

from playwright.sync_api import Page, sync_playwright

from adapters.system_clock import SystemClock
from ops.bench.figure import Figure, percentile
from ops.demo import PASSWORD, placed, the_programs
from ops.observe import Api, Building, Json, Missed, Sink
from ops.programs import Supervisor
from watchkeeper.clock import unix_ms
from watchkeeper.settings import Settings

CHROMIUM = "/usr/bin/chromium"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
# Notes when each alarm row appears in the page, in any shadow root, by the page's own clock.
WATCH = """() => {
  window.seenAlarms = {};
  const note = (node) => {
    const id = node.dataset && node.dataset.id;
    const alarm = id && id.startsWith('alm_');
    if (alarm && !(id in window.seenAlarms)) window.seenAlarms[id] = Date.now();
    for (const child of node.children || []) note(child);
    if (node.shadowRoot) watch(node.shadowRoot);
  };
  const roots = new WeakSet();
  const watch = (root) => {
    if (roots.has(root)) return;
    roots.add(root);
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) note(node);
    }).observe(root, {childList: true, subtree: true});
    for (const child of root.children || []) note(child);
  };
  watch(document.documentElement);
}"""


Eyes: TypeAlias = tuple[tuple[Api, Api], Building, Sink, Page]


@dataclass(frozen=True, slots=True)
class Trip:
    """One flip of a register and when it was seen; Unix ms."""

    flipped: int
    browser: int
    webhook: int


def measure(settings: Settings, options: argparse.Namespace) -> list[Figure]:
    """Start a demo of its own, flip detectors, and return the four figures."""
    count = 3 if options.smoke else 50 if options.short else 200
    clock = SystemClock()
    sink = Sink(clock)
    with TemporaryDirectory() as folder:
        mine = placed(settings.model_copy(update={"data": Path(folder) / "var"}), options.port_base)
        programs = Supervisor(the_programs(mine, seed=1, lively=False, sink=sink), clock)
        try:
            programs.start(lambda name, seconds: print(f"  {name} {seconds:.1f} s", flush=True))
            trips = _trips(mine, sink, clock, count)
        finally:
            programs.stop()
            sink.close()
    load = f"{len(trips)} fires, one at a time, 47 devices polled"
    figures = []
    for where in ("browser", "webhook"):
        took = [float(getattr(trip, where) - trip.flipped) for trip in trips]
        for name, share, bar in (("p50", 0.5, 400.0), ("p99", 0.99, 1_000.0)):
            value = percentile(took, share)
            figures.append(Figure(f"alarm.{where}_ms_{name}", value, "ms", bar, "<", load))
    return figures


def _trips(settings: Settings, sink: Sink, clock: SystemClock, count: int) -> list[Trip]:
    people = (
        Api(settings.server.public_url, "chenlei", PASSWORD, clock),
        Api(settings.server.public_url, "liumin", PASSWORD, clock),
    )
    building = Building(settings.ports.simulators)
    pause = Event()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = wall(browser.new_page(), settings.server.public_url)
        trips = []
        for number in range(count):
            pause.wait(0.37 + 0.13 * (number % 5))  # not in step with the poll
            trips.append(
                _trip(number % 60 + 1, (people, building, sink, page), unix_ms(clock.now()))
            )
        browser.close()
    for person in people:
        person.close()
    building.close()
    return trips


def wall(page: Page, address: str) -> Page:
    """Sign in and open the alarm list."""
    page.goto(address)
    page.locator("input[name=user]").fill("chenlei")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form button").first.click()
    page.locator("[data-go=alarms]").first.click()
    page.locator("[data-view=alarms]").first.wait_for(timeout=30_000)
    page.evaluate(WATCH)
    return page


def _trip(detector: int, eyes: Eyes, since: int) -> Trip:
    people, building, sink, page = eyes
    api = people[0]
    point = f"fire-panel/detector-{detector:02d}"
    flipped = building.scenario("fire", unit="fire-panel", detectors=[detector])["at"]

    def raised() -> Json | None:
        alarms: list[Json] = api.get("/alarms", open=True)
        return next(
            (a for a in alarms if a["point"] == point and a["raised_at"] >= since - 1_000), None
        )

    alarm = api.wait(f"alarm of {point}", raised, 10)
    webhook, _ = sink.wait(lambda body: body.get("subject") == alarm["id"], 10)
    shown = page.wait_for_function("id => window.seenAlarms[id]", arg=alarm["id"], timeout=10_000)
    browser = int(shown.json_value())
    building.scenario("fire", unit="fire-panel", detectors=[detector], clear=True)
    api.wait("return", lambda: api.get(f"/alarms/{alarm['id']}")["returned_at"], 15)
    _end(people, alarm["id"])
    if browser < flipped - 50:
        raise Missed("the browser showed it before it happened: two clocks")
    return Trip(flipped, browser, webhook)


def _end(people: tuple[Api, Api], alarm: str) -> None:
    """Acknowledge, and end the warning a single detector starts: two persons call it false."""
    people[0].post(f"/alarms/{alarm}/acknowledge")
    for run in people[0].get("/runs", open=True):
        for person in people:
            person.post(f"/runs/{run['id']}/confirm", {"real": False})
