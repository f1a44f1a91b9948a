"""`watchkeeper simulate --history last-month`: the past of the simulated meters, as if we had run.

The physics runs on a fast clock from local midnight on the 1st of last month; what the registers
would have held is decoded, judged and journalled by the edge and goes the way of every backlog.
"""

import logging
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from adapters.system_clock import SystemClock
from edge.importing import import_history
from simulators.history import register_history
from simulators.main import extras_file
from watchkeeper import site
from watchkeeper.clock import unix_ms
from watchkeeper.settings import Settings

STEP_S = 900
LONGEST = timedelta(days=62)
MARK = "simulators/past-imported"  # under the data folder: once is enough

log = logging.getLogger(__name__)


def begin(now: datetime) -> datetime:
    """Return local midnight on the 1st of last month, at most 62 days before an aware `now`."""
    this_month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last_month = (this_month - timedelta(days=1)).replace(day=1)
    return max(last_month, (now - LONGEST).replace(hour=0, minute=0, second=0, microsecond=0))


def run(settings: Settings, seed: int) -> int:
    """Import the past once; 0 when it is in the journals, or was before."""
    mark = settings.data / MARK
    if mark.exists():
        log.info("the past was imported before")
        return 0
    clock = SystemClock()
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    now = clock.now().astimezone(ZoneInfo(plant.site.site.time_zone))
    # One step before the month, so that its first boundary lies between two readings.
    start = unix_ms(begin(now)) - 1000 * STEP_S
    extras = extras_file(settings)
    began = clock.tick()
    for edge in plant.site.edges:
        instants = register_history(plant, seed, start, unix_ms(now), STEP_S, extras)
        count = import_history(settings, edge.id, instants)
        log.info("%s: %d readings in %.1f s", edge.id, count, clock.tick() - began)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return 0
