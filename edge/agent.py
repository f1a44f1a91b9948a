"""The parts of an edge put together: pollers, journals, lanes, publisher."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from edge import lanes
from edge.collect import Collector
from edge.drivers.modbus import Line
from edge.journal import Journal
from edge.keep import Keeper
from edge.lanes import Kind, RandomBits
from edge.poll import Poller
from edge.publish import Publisher, Self, Telling
from edge.sending import DataLane, EventLane
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock
from watchkeeper.profile import Rate
from watchkeeper.site import Edge, Plant

GROUP_S: Final = 0.05  # readings gather this long before they are committed together
STANDSTILL_S: Final = 15.0  # a poll loop that has not turned for this long is broken
TRUSTED_FROM_MS: Final = 1_750_000_000_000  # June 2025: a clock before this was never set


@dataclass(frozen=True, slots=True)
class Means:
    """What an agent is given: time, chance, a place for its journals, its periods."""

    clock: Clock
    random_bits: RandomBits
    random_hex: Callable[[], str]
    folder: Path
    periods_s: dict[Rate, float]


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
        self._me, self._means, self._clock = me, means, means.clock
        events = Journal(means.folder / "event.db", means.random_hex, may_shed=False)
        data = Journal(means.folder / "data.db", means.random_hex, may_shed=True)
        self._keepers = Keeper(events, period_s=0), Keeper(data, period_s=GROUP_S)
        self._lanes = self._made_lanes(buses)
        self.collector = Collector(
            me.birth,
            [item.point.decimals for item in plant.points(edge)],
            self._keepers[1].stir,
            self._keepers[0].stir,
            self._synchronised,
        )
        self.pollers = self._pollers(plant, edge)
        telling = Telling(self._now, self._health, self._ages, self._alive, self._synchronised)
        self._publisher = Publisher(me, buses, self._lanes, telling, self._clock)

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

    def _pollers(self, plant: Plant, edge: Edge) -> list[Poller]:
        new_id = lanes.new_id(self._means.random_bits)
        pollers = {
            bus.id: Poller(
                Line(bus.modbus_tcp.host, bus.modbus_tcp.port),
                self._clock,
                self.collector,
                new_id,
                periods_s=self._means.periods_s,
                synchronised=self._synchronised,
            )
            for bus in edge.buses
        }
        first = 0
        for unit in edge.units:
            profile = plant.profiles[unit.profile]
            pollers[unit.bus].add(unit, profile, range(first, first + len(profile.points)))
            first += len(profile.points)
        return list(pollers.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; then commit what has gathered and say goodbye."""
        points = msgspec.json.encode(list(self._me.points))
        for keeper in self._keepers:
            await keeper.call(keeper.journal.keep_birth, self._me.birth, points)
        self._publisher.start()
        collector, (event_keeper, data_keeper) = self.collector, self._keepers
        works = [
            *(poller.run() for poller in self.pollers),
            event_keeper.run(collector.take_events, self._lanes[0].committed),
            data_keeper.run(collector.take_data, self._lanes[1].committed),
            *(keeper.care() for keeper in self._keepers),
            self._publisher.run_lanes(),
            self._publisher.run_state(),
        ]
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
            for poller in self.pollers
            for channel in poller.channels()
            for each in channel.watched.now(kind)
        ]

    def _ages(self) -> dict[str, float]:
        return {unit: age for poller in self.pollers for unit, age in poller.ages().items()}

    def _alive(self) -> bool:
        now = self._clock.tick()
        return all(now - poller.beat < STANDSTILL_S for poller in self.pollers)

    def _synchronised(self) -> bool:
        return self._clock.now().timestamp() * 1000 >= TRUSTED_FROM_MS

    def _health(self) -> dict[str, float]:
        events, data = (keeper.journal for keeper in self._keepers)
        return {
            "readings": float(self.collector.total),
            "readings_dropped": float(self.collector.dropped),
            "rows_shed": float(data.shed),
            "journals_damaged": float(events.damaged + data.damaged),
            "events_refused": float(self._lanes[0].refused),
            "data_refused": float(self._lanes[1].refused),
            "event_silence_s": round(self._publisher.silence_s("event"), 1),
            "data_silence_s": round(self._publisher.silence_s("data"), 1),
            "clock_synchronised": float(self._synchronised()),
        }
