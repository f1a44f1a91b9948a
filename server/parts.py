"""What is made once and the subjects are built from; only wiring, subjects and compose see it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sqlalchemy as sa

from server.latest import Latest
from server.outward import Outward
from server.past import Past
from server.plans import Shelf
from server.rules import Rulebook
from server.watching import Watching
from watchkeeper.clock import Clock
from watchkeeper.export import Write
from watchkeeper.ids import NewId
from watchkeeper.settings import Settings
from watchkeeper.site import Plant
from watchkeeper.texts import Texts

Printer: TypeAlias = Callable[[Mapping[str, Any], str], bytes]  # a report, a language -> a file


@dataclass(frozen=True, slots=True)
class Parts:
    """The site, the catalog, the database for reading, time and names."""

    settings: Settings
    plant: Plant
    rules: Rulebook
    texts: Texts
    clock: Clock
    new_id: NewId  # "alm" -> "alm_0197…"
    read: sa.Engine  # for reading; writes go through the writer
    latest: Latest  # the newest value of each point
    watching: Watching  # where each rule stands
    history: Past  # the store of readings, which may be away
    printers: Mapping[str, Printer] = field(default_factory=dict)  # pdf, xlsx
    writers: Mapping[str, Write] = field(default_factory=dict)  # parquet; CSV is always there
    outward: Outward = field(default_factory=Outward)  # channels, keys, chance
    plans: Shelf = field(default_factory=lambda: Shelf([]))  # emergency plans
