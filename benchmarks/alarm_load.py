"""Alarms while 50,000 readings a second flow: when does a browser, a webhook, have a fire?

    python -m benchmarks.alarm_load [--short | --smoke]

The whole product with its pages on mosquitto and the embedded store; 50 edges with 100 points send
ten readings a second of each point. Detectors flip at random instants; each fire is timed to the
row in Chromium and to the webhook's receiver.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import Page, sync_playwright
from typing_extensions import override

from benchmarks.store_away import DETECTORS, Plain, Stage
from ops.bench.alarm import CHROMIUM, QUIET, wall
from ops.bench.figure import Figure, percentile
from watchkeeper.settings import Settings

POINTS: Final = 100  # of each of 50 edges, ten readings a second each
ROUND_S: Final = 120.0  # most that one round of all detectors takes


class Watched(Stage):
    """The stage with somebody at a screen."""

    def __init__(self, settings: Settings, folder: Path, stack: ExitStack, points: int) -> None:
        """Start all of it, and open the alarm list."""
        super().__init__(settings, folder, stack, Plain(), points, frozenset({"broker"}))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        stack.callback(browser.close)
        self._page: Page = wall(browser.new_page(), self.address)
        self.browser_ms: list[float] = []

    @override
    def trip(self, detector: int) -> float:
        """Flip a detector; note when the browser showed it, return when the webhook had it."""
        took, alarm, flipped = self.tripped(detector)
        shown = self._page.wait_for_function(
            "id => window.seenAlarms[id]", arg=alarm, timeout=10_000
        )
        self.browser_ms.append(float(int(shown.json_value()) - flipped))
        return took


def measure(settings: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return the percentiles of both ways under load."""
    rounds, points = (17, POINTS) if not options.short else (2, POINTS)
    seconds = ROUND_S
    if options.smoke:
        rounds, points, seconds = 1, 10, 3.0
    with TemporaryDirectory() as folder, ExitStack() as stack:
        stage = Watched(settings, Path(folder), stack, points)
        for _ in range(rounds):
            stage.trips(seconds, away=False)
        seen = stage.ended()
    load = (
        f"{len(seen.there_ms)} fires at random phase, {points * 500:,} readings/s behind them,"
        f" {seen.lost} of {seen.readings:,} lost; {DETECTORS} detectors polled"
    )
    found = []
    for where, took in (("browser", stage.browser_ms), ("webhook", seen.there_ms)):
        for name, share, bar in (("p50", 0.5, 400.0), ("p99", 0.99, 1_000.0)):
            value = percentile(took, share)
            found.append(Figure(f"alarm_load.{where}_ms_{name}", value, "ms", bar, "<", load))
    return found
