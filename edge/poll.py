"""Polling of one bus: who is asked next, and what an answer, a refusal or a silence means.

Life-safety blocks go first. A unit that is silent is left alone for a growing while, so that it
costs the others of its bus less than one time-out in each of these whiles.
"""

import asyncio
import heapq
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from edge import plan
from edge.channel import Channel, Out
from edge.drivers.modbus import Broken, Line, LineDown, NoAnswer, Refused, Request, request
from edge.factors import Board
from edge.lanes import Kind
from edge.learned import LONGEST_AGAIN_S, Learned
from edge.pace import Paces
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.ids import UnitId
from watchkeeper.profile import Point, Profile, Rate
from watchkeeper.quality import Quality
from watchkeeper.site import Unit, at_primary, transformed

# Points are NO_ANSWER after two misses in a row and two seconds: a lost packet or a device that
# hangs up and comes back is no fault.
SILENT: Final = 2
SILENT_S: Final = 2.0
FIRST_REST_S: Final = 1.0
LONGEST_REST_S: Final = 300.0
LONGEST_LIFE_SAFETY_REST_S: Final = 10.0
LINE_GROWS: Final = 1.25  # slowly: a line that was down for seconds is back within seconds
# How much later than it should be a block may get before it overtakes those of a faster rate.
_LEAD_S: Final[dict[Rate, float]] = {"life_safety": 10.0, "normal": 5.0, "slow": 0.0}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class PolledUnit:
    """A unit and how it has answered."""

    unit: Unit
    profile: Profile
    points: Sequence[Point]
    aliases: Sequence[int]  # of the points
    seen: float  # tick of the last good answer
    longest_rest_s: float
    misses: int = 0  # in a row
    missed_at: float = 0.0  # tick of the last one
    rests: int = 0  # in a row, that others of its bus had a use for
    again: bool = False  # asked again at once, since its last good answer
    silent: bool = False  # its points are NO_ANSWER
    resume: float = 0.0  # tick before which it is not asked
    channels: list[Channel] = field(default_factory=list)
    board: Board = field(init=False)  # what its points are scaled by

    def __post_init__(self) -> None:
        """Begin with no factor known."""
        self.board = Board(self.points)

    def missed(self, tick: float) -> bool:
        """Count a miss; True: its points have no value any more."""
        self.misses += 1
        return self.misses >= SILENT and tick - self.seen >= SILENT_S

    def rest(self, tick: float, *, others: bool = True) -> None:
        """Leave it alone, from the third time on longer and longer.

        Args:
            tick: When it missed.
            others: Whether another unit has answered since it missed last. While none does, the
                whole bus is away, and there is nobody a longer rest would help.
        """
        self.missed_at = tick
        self.rests += others
        grown = FIRST_REST_S * 2.0 ** min(max(self.rests - SILENT, 0), 10)
        self.resume = tick + min(grown, self.longest_rest_s)


@dataclass(slots=True, eq=False)
class _Job:
    """A block on the schedule."""

    unit: PolledUnit
    channel: Channel
    request: Request
    period_s: float
    due: float
    refused: bool = False  # the device does not have it, as far as is known
    seen: float = 0.0  # tick of its last answer
    misses: int = 0  # in a row, of this block alone


class Poller:
    """The owner of one bus."""

    def __init__(  # noqa: PLR0913 - made in one place
        self,
        line: Line,
        clock: Clock,
        out: Out,
        new_id: Callable[[int, Kind], str],
        *,
        periods_s: Mapping[Rate, float] = plan.PERIODS_S,
        synchronised: Callable[[], bool] = lambda: True,
        learned: Learned | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; add units, then run.

        Args:
            line: Its connection.
            clock: The clock.
            out: Where reports go.
            new_id: Names events.
            periods_s: Seconds from read to read, by rate.
            synchronised: Whether the clock tells the right time.
            learned: What devices were found not to have.
            chance: 0..1; spreads reconnects.
        """
        self._chance = chance
        self._line, self._clock, self._out, self._new_id = line, clock, out, new_id
        self._periods_s, self._synchronised = periods_s, synchronised
        self.units: list[PolledUnit] = []
        self.beat = clock.tick()  # tick of the last step: the loop is alive
        self.reads = 0
        self.paces = Paces(periods_s, clock.tick())
        self._back = clock.tick()  # tick when the line was tried again last
        self._learned = learned or Learned()
        self._good_at = 0.0  # tick of the bus's last good answer
        self._line_rest_s = FIRST_REST_S
        self._line_said = ""
        self._waiting: list[tuple[float, int, _Job]] = []  # by when due
        self._ready: list[tuple[float, int, _Job]] = []  # due, by how urgent
        self._number = 0
        self._errands: deque[tuple[Request, asyncio.Future[bytes]]] = deque()

    def add(self, unit: Unit, profile: Profile, aliases: Sequence[int]) -> None:
        """Poll a unit; `aliases` are those of the profile's points."""
        safety = any(point.point_class == "life_safety" for point in profile.points)
        polled = PolledUnit(
            unit,
            profile,
            [at_primary(point, unit) for point in profile.points],
            aliases,
            self._clock.tick(),
            LONGEST_LIFE_SAFETY_REST_S if safety else LONGEST_REST_S,
        )
        self.units.append(polled)
        self._recall(polled)

    def _recall(self, unit: PolledUnit) -> None:
        """Schedule a unit's reads; what it is known not to have stands apart, for later."""
        now, at = self._clock.tick(), unix_ms(self._clock.now())
        known: dict[plan.Block, float] = {}
        for refusal in self._learned.refusals:
            if refusal.unit == unit.unit.id:
                block = plan.found(
                    unit.points,
                    unit.profile.modbus,
                    refusal.function,
                    refusal.address,
                    refusal.count,
                )
                if block is not None and block.rate != "life_safety":  # that is always asked
                    left_s = (refusal.again - at) / 1000
                    known[block] = now + min(max(left_s, 0.0), LONGEST_AGAIN_S)
        for block in plan.blocks(unit.points, unit.profile.modbus, lost=list(known)):
            self._schedule(unit, block, now)
        for block, due in known.items():
            self._schedule(unit, block, due, refused=True)

    def channels(self) -> Iterable[Channel]:
        """Return every block that is polled."""
        return (channel for unit in self.units for channel in unit.channels)

    @property
    def name(self) -> str:
        """Return the bus's id."""
        return self._line.name

    def ages(self) -> dict[str, float]:
        """Return seconds since each unit's last good answer."""
        now = self._clock.tick()
        return {UnitId(unit.unit.id): round(now - unit.seen, 1) for unit in self.units}

    async def run(self) -> None:
        """Poll until cancelled; a fault of ours costs one block one second, not the bus."""
        task = asyncio.current_task()
        self._fail((job.channel for *_, job in self._waiting if job.refused), Quality.REFUSED)
        try:
            # wait_for of 3.11 loses a cancellation that meets an answer; the count does not.
            while not (task and task.cancelling()):
                if self._errands:
                    await self._run_errand(*self._errands.popleft())
                job = self._next()
                if job is None:
                    await self._pause()
                    continue
                try:
                    await self._read(job)
                except Exception:
                    log.exception("poll failed", extra={"unit": job.unit.unit.id})
                    job.due = self._clock.tick() + 1.0
                self._wait(job)
        finally:
            self._line.close()

    async def ask(self, asked: Request) -> bytes:
        """Have the line's owner ask this once, between two reads; raises what the line does."""
        answer = asyncio.get_running_loop().create_future()
        self._errands.append((asked, answer))
        found: bytes = await answer
        return found

    async def _run_errand(self, asked: Request, answer: asyncio.Future[bytes]) -> None:
        try:
            data = await self._line.read(asked)
        except (LineDown, NoAnswer, Refused) as why:
            if not answer.done():
                answer.set_exception(why)
        else:
            if not answer.done():
                answer.set_result(data)

    def _schedule(
        self, unit: PolledUnit, block: plan.Block, due: float, *, refused: bool = False
    ) -> None:
        channel = Channel(
            block,
            unit.points,
            unit.aliases,
            unit.profile.modbus,
            [transformed(point, unit.unit) for point in unit.points],
            self._new_id,
            board=unit.board,
        )
        unit.channels.append(channel)
        asked = request(unit.unit.unit, block, unit.profile.modbus.timeout_s)
        job = _Job(unit, channel, asked, self._periods_s[block.rate], due, refused)
        job.seen = self._clock.tick()
        self._wait(job)

    def _wait(self, job: _Job) -> None:
        if job.period_s != float("inf"):
            self._number += 1
            heapq.heappush(self._waiting, (job.due, self._number, job))

    def _next(self) -> _Job | None:
        """Return the most urgent block that is due."""
        now = self.beat = self._clock.tick()
        while self._waiting and self._waiting[0][0] <= now:
            due, number, job = heapq.heappop(self._waiting)
            heapq.heappush(self._ready, (due - _LEAD_S[job.channel.block.rate], number, job))
        return heapq.heappop(self._ready)[2] if self._ready else None

    async def _pause(self) -> None:
        now = self._clock.tick()
        due = self._waiting[0][0] if self._waiting else now + 1.0
        await asyncio.sleep(min(max(due - now, 0.0), 1.0))

    async def _read(self, job: _Job) -> None:
        unit = job.unit
        if unit.resume > self._clock.tick():
            job.due = unit.resume
            return
        try:
            data = await self._line.read(job.request)
        except Refused as refused:
            self._refused(job, refused.code)
        except NoAnswer as why:
            if isinstance(why, Broken) and not unit.again:
                unit.again, job.due = True, self._clock.tick()
                return  # a lost connection is no dead unit, and has cost nobody any time
            self._missed(unit, str(why))
            self._block_missed(job)
            job.due = unit.resume
        except LineDown as why:
            await self._line_down(str(why))
            job.due = self._clock.tick()
        else:
            self._answered(job, data)

    def _answered(self, job: _Job, data: bytes) -> None:
        unit, now = job.unit, self._clock.tick()
        self.reads += 1
        rate = job.channel.block.rate
        pace = self.paces.of[rate]
        if pace.read(now, max(job.due, self._back), job.period_s):
            self._paced(rate)
        if job.refused:
            job.refused = False
            self._learned.answered(unit.unit.id, job.channel.block)
        job.due = max(job.due + job.period_s, now)
        job.seen, job.misses = now, 0
        self._good(unit, now)
        job.channel.answered(
            unix_ms(self._clock.now()),
            data,
            self._out,
            synchronised=self._synchronised(),
            late=pace.is_behind,
        )

    def _paced(self, rate: Rate) -> None:
        pace = self.paces.of[rate]
        said = {"bus": self.name, "rate": rate, "late": round(pace.share, 3)}
        if pace.is_behind:
            log.warning("bus cannot keep its rates: see `watchkeeper edge plan`", extra=said)
        else:
            log.info("bus keeps its rates again", extra=said)

    def _good(self, unit: PolledUnit, now: float) -> None:
        if unit.silent:
            unit.silent = False
            log.info("unit answers again", extra={"unit": unit.unit.id})
        if self._line_said:
            log.info("bus is back", extra={"bus": self._line_said})
            self._line_said = ""
        unit.misses, unit.rests, unit.again = 0, 0, False
        unit.seen, self._good_at, self._line_rest_s = now, now, FIRST_REST_S

    def _missed(self, unit: PolledUnit, why: str) -> None:
        now = self._clock.tick()
        silent = unit.missed(now)
        unit.rest(now, others=self._good_at > unit.missed_at)
        if silent:
            self._silent(unit, why)

    def _block_missed(self, job: _Job) -> None:
        """Say so when one block never answers and the others of its unit do: it has no value."""
        job.misses += 1
        if (
            not job.unit.silent
            and job.misses >= SILENT
            and self._clock.tick() - job.seen >= SILENT_S
        ):
            self._fail([job.channel], Quality.NO_ANSWER)

    def _silent(self, unit: PolledUnit, why: str) -> None:
        if not unit.silent:
            unit.silent = True
            log.warning("unit does not answer", extra={"unit": unit.unit.id, "why": why})
        self._fail(unit.channels, Quality.NO_ANSWER)

    async def _line_down(self, where: str) -> None:
        """All units of the bus are missed; wait a jittered while before connecting again."""
        now = self._clock.tick()
        for unit in self.units:
            if unit.missed(now):
                unit.silent = True
                self._fail(unit.channels, Quality.NO_ANSWER)
        if not self._line_said:
            log.warning("bus does not answer", extra={"bus": where})
            self._line_said = where
        rest = self._line_rest_s * (0.5 + self._chance() / 2)
        self._line_rest_s = min(LINE_GROWS * self._line_rest_s, LONGEST_LIFE_SAFETY_REST_S)
        end = self._clock.tick() + rest
        while (left := end - self._clock.tick()) > 0:
            self.beat = self._clock.tick()
            await asyncio.sleep(min(left, 1.0))
        self._back = self._clock.tick()

    def _refused(self, job: _Job, code: int) -> None:
        """Find the registers the device does not have by halving; ask for those rarely."""
        unit, now = job.unit, self._clock.tick()
        self._good(unit, now)
        parts = plan.halves(job.channel.block, unit.points) if code in plan.NOT_THERE else []
        if not parts:
            self._fail([job.channel], Quality.REFUSED)
            job.refused = job.refused or code in plan.NOT_THERE
            again_s = max(job.period_s, 1.0)
            if code in plan.NOT_THERE:
                at = unix_ms(self._clock.now())
                again_s = self._learned.refused(unit.unit.id, job.channel.block, at)
            job.due = now + again_s
            return
        unit.channels.remove(job.channel)
        job.period_s = float("inf")  # off the schedule: its parts take its place
        for block in parts:
            self._schedule(unit, block, now)

    def _fail(self, channels: Iterable[Channel], quality: Quality) -> None:
        at = unix_ms(self._clock.now())
        for channel in channels:
            channel.failed(at, quality, self._out)
