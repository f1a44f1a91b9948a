"""The parts of an edge put together: pollers, journals, lanes, publisher."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from edge import health, lanes
from edge.alone import Alone, Coil, Facts, Route
from edge.clock import EdgeClock
from edge.collect import Collector
from edge.commands import Commands
from edge.drivers.gb26875.hearing import Hearing
from edge.drivers.gb26875.listener import Listener
from edge.drivers.modbus import line_of
from edge.health import Health, Metered
from edge.journal import Full, Journal
from edge.keep import Keeper
from edge.lanes import Kind, RandomBits
from edge.learned import Learned
from edge.poll import Poller
from edge.publish import Publisher, Self, Telling
from edge.rows import WAIT, Row
from edge.sending import DataLane, EventLane
from watchkeeper import site
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.profile import Rate
from watchkeeper.site import Edge, Plant

GROUP_S: Final = 0.05  # readings gather this long before they are committed together
STANDSTILL_S: Final = 15.0  # a poll loop that has not turned for this long is broken
CLOCK_S: Final = 1.0  # between two looks at the clock
MEASURE_S: Final = 5.0
KEPT_MS: Final = 86_400_000  # acknowledged rows are kept so long, to be sent again when asked

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What an agent is given: time, chance, a place for its journals, its periods."""

    clock: Clock
    random_bits: RandomBits
    random_hex: Callable[[], str]
    folder: Path
    periods_s: dict[Rate, float]
    synchronised: Callable[[], bool | None] = lambda: None  # the clock; None: nobody knows
    used: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0)  # processor s, memory bytes
    routes: Sequence[Route] = ()  # tell somebody when nobody hears us


class Agent:
    """One edge."""

    def __init__(
        self, plant: Plant, edge: Edge, me: Self, means: Means, buses: tuple[Bus, Bus]
    ) -> None:
        """Prepare; opens the journals.

        Args:
            plant: The site.
            edge: Which edge of it this is.
            me: How it names itself.
            means: Time, chance and places.
            buses: Of events and of data.
        """
        self._me, self._means = me, means
        self._left_out = [each.id for each in plant.left_out_of(edge)]
        self._clock = EdgeClock(means.clock, means.synchronised)
        events = Journal(means.folder / "event.db", means.random_hex, may_shed=False)
        data = Journal(means.folder / "data.db", means.random_hex, may_shed=True)
        self._keepers = (
            Keeper(events, period_s=0, kept_from=self._kept_from),
            Keeper(data, period_s=GROUP_S, kept_from=self._kept_from),
        )
        self._measures = Health(self._keepers, self._clock, means.used)
        self._unsettled = False  # rows that waited for the clock are still marked as waiting
        self._blind = True  # some may be of the run before: nobody knows their time
        self._lanes = self._made_lanes(buses)
        self.collector = Collector(
            me.birth,
            [item.point.decimals for item in plant.points(edge)],
            self._keepers[1].stir,
            self._keepers[0].stir,
            self._synchronised,
            lambda: self._clock.waits,
        )
        self._owners = self._owned(plant, edge)
        self.pollers = [each for each in self._owners if isinstance(each, Poller)]
        self.listeners = [each for each in self._owners if isinstance(each, Listener)]
        self._commands = Commands(self.listeners)
        telling = Telling(
            self._now,
            self.health,
            self.ages,
            self._alive,
            self._synchronised,
            self._commands.take,
        )
        self._publisher = Publisher(me, buses, self._lanes, telling, self._clock)
        self.alone = self._made_alone(edge)

    def _made_lanes(self, buses: tuple[Bus, Bus]) -> tuple[EventLane, DataLane]:
        event_topic, data_topic = self._me.up("event"), self._me.up("data")
        return (
            EventLane(
                self._keepers[0], lambda each: buses[0].publish(event_topic, each), self._clock
            ),
            DataLane(
                self._keepers[1], lambda each: buses[1].publish(data_topic, each), self._clock
            ),
        )

    def _owned(self, plant: Plant, edge: Edge) -> list[Poller | Listener]:
        new_id = lanes.new_id(self._means.random_bits)
        learned = Learned(self._means.folder / "learned.json")
        zone = ZoneInfo(plant.site.site.time_zone)
        hearing = Hearing(zone, self._clock, self.collector, self._synchronised)
        owners: dict[str, Poller | Listener] = {
            bus.id: Listener(bus.gb26875, self._clock, new_id, hearing)
            if bus.gb26875
            else Poller(
                self._metered(bus),
                self._clock,
                self.collector,
                new_id,
                periods_s=self._means.periods_s,
                synchronised=self._synchronised,
                learned=learned,
            )
            for bus in edge.buses
        }
        first = 0
        for unit in edge.units:
            profile = plant.profiles[unit.profile]
            owners[unit.bus].add(unit, profile, range(first, first + len(profile.points)))
            first += len(profile.points)
            if unit.bus in self._measures.buses:
                self._measures.buses[unit.bus].units[unit.unit] = unit.id
        self._by_bus = owners
        return list(owners.values())

    def _metered(self, bus: site.Bus) -> Metered:
        line = Metered(line_of(bus).where, self._clock)
        line.name = bus.id
        self._measures.buses[bus.id] = health.Bus(line)
        return line

    def _made_alone(self, edge: Edge) -> Alone | None:
        named, events = edge.alone, self._lanes[0]
        owner = self._by_bus[named.bus] if named else None
        if named is None or not isinstance(owner, Poller):
            return None
        return Alone(
            lambda: Facts(events.open(), events.open_s(), self._publisher.platform_s()),
            Coil(owner.ask, self._clock, named.unit, named.coil),
            self._means.routes,
            self._clock,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; then commit what has gathered and say goodbye."""
        await self._settle(None)
        points = msgspec.json.encode(list(self._me.points))
        for keeper in self._keepers:
            await keeper.call(keeper.journal.keep_birth, self._me.birth, points)
        self._publisher.start()
        collector, (event_keeper, data_keeper) = self.collector, self._keepers
        works = [
            *(owner.run() for owner in self._owners),
            event_keeper.run(collector.take_events, self._lanes[0].committed),
            data_keeper.run(collector.take_data, self._committed),
            *(keeper.care() for keeper in self._keepers),
            self._publisher.run_lanes(),
            self._publisher.run_state(),
            self._commands.run(),
            self._look_after(),
        ]
        if self.alone is not None:
            works += [self.alone.run_output(), *map(self.alone.run_way, self.alone.ways)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
            await stop.wait()
            for task in tasks:
                task.cancel()
        self._publisher.tell_state(lost=True)
        for keeper in self._keepers:
            await keeper.close()

    def _now(self, kind: Kind) -> list[tuple[int, float | None, int]]:
        return [
            each
            for owner in self._owners
            for channel in owner.channels()
            for each in channel.watched.now(kind)
        ]

    def ages(self) -> dict[str, float]:
        """Return the seconds since each unit's last good answer."""
        return {unit: age for owner in self._owners for unit, age in owner.ages().items()}

    def _alive(self) -> bool:
        now = self._clock.tick()
        return all(now - owner.beat < STANDSTILL_S for owner in self._owners)

    def _synchronised(self) -> bool:
        return self._clock.synchronised

    def _kept_from(self) -> int | None:
        """Return from when acknowledged rows are kept; None: who knows what time it is."""
        return unix_ms(self._clock.now()) - KEPT_MS if self._clock.synchronised else None

    def _committed(self, rows: Sequence[Row]) -> None:
        self._unsettled = self._unsettled or rows[-1].mode == WAIT
        self._lanes[1].committed(rows)

    async def _look_after(self) -> None:
        """See whether the clock was set, and measure, until cancelled."""
        offset_ms: int | None = None
        measured = self._clock.tick()
        while True:
            await asyncio.sleep(CLOCK_S)
            found = self._clock.look()
            if found is not None:
                offset_ms = found
                self.collector.shift(found)
            if self._unsettled and not self._clock.waits:
                self._unsettled = False
                await self._settle(None if self._blind else offset_ms)
            if self._clock.tick() - measured >= MEASURE_S:
                measured = self._clock.tick()
                await self._measures.look()

    async def _settle(self, offset_ms: int | None) -> None:
        """Let the rows go that waited for the clock."""
        keeper = self._keepers[1]
        try:
            first = await keeper.call(keeper.journal.settle, offset_ms)
        except Full:
            log.exception("readings go on waiting: the journal has no room")
            self._unsettled = True
            return
        self._blind = False
        if first:
            self._lanes[1].settled(first)

    def metrics(self) -> str:
        """Return how we are, for Prometheus."""
        return health.exposed(self.health(), self.ages())

    def health(self) -> dict[str, float]:
        """Return counters and gauges by name."""
        events, data = (keeper.journal for keeper in self._keepers)
        return {
            "readings": float(self.collector.total),
            "readings_dropped": float(self.collector.dropped),
            "rows_shed": float(data.shed),
            "journals_damaged": float(events.damaged + data.damaged),
            "events_refused": float(self._lanes[0].refused),
            "data_refused": float(self._lanes[1].refused),
            "readings_missing": float(data.missing),
            "gap_from_ms": float(data.gap.start if data.gap else 0),
            "gap_to_ms": float(data.gap.end if data.gap else 0),
            "events_open": float(self._lanes[0].open()),
            "alone": float(self.alone is not None and self.alone.now),
            "event_silence_s": round(self._lanes[0].silence_s(), 1),
            "data_silence_s": round(self._lanes[1].silence_s(), 1),
            **self._publisher.figures(),
            "clock_synchronised": float(self._synchronised()),
            "devices_left_out": float(len(self._left_out)),
            **{f"left_out/{unit}": 1.0 for unit in self._left_out},
            **self._measures.values(),
            **{f"late_{poller.name}": round(poller.paces.share, 3) for poller in self.pollers},
            **{f"behind/{poller.name}": float(poller.paces.is_behind) for poller in self.pollers},
            **{
                f"fire_{kind}": float(n)
                for each in self.listeners
                for kind, n in each.counts.items()
            },
        }
