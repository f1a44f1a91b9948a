"""A lift: it answers calls, stops by its safety circuit, and is freed by a technician.

It knows nothing of registers. Heights in m above the lowest landing, speed in m/s, up positive.
"""

import random
from collections import deque
from collections.abc import Sequence
from enum import IntEnum

PITCH_M = 3.6
LEVEL_M = 0.02  # so near to a landing the car is level with it
ACCELERATION = 1.0
FREEING_MPS = 0.3  # inspection speed
DOOR_S, HOLD_S = 2.0, 4.0  # to open or close; to stay open
PERSON_PERCENT = 7.0  # of the rated load: 75 kg of 1,050
SAFETY_CIRCUIT, DOOR_FAULT = 41, 49  # E41, E49 of the controller


class Mode(IntEnum):
    """System state 101D, bits 4-7, as far as this lift uses them."""

    INSPECTION, FAULT, AUTOMATIC = 0, 5, 7


class Car(IntEnum):
    """System state 101D, bits 8-11."""

    WAIT, OPENING, OPEN, CLOSING, CLOSED, RUNNING, STOPPED = range(7)


class Plot(IntEnum):
    """Where the lift is about to fail."""

    NONE, BETWEEN, AT_LANDING = range(3)


class Lift:
    """One car and its calls; `step` is all that moves it."""

    def __init__(self, floors: Sequence[int], *, seed: str, rated_speed: float = 2.5) -> None:
        """Stand at a landing; the calls to come follow from the seed.

        Args:
            floors: What the display shows at each landing, from the lowest; -1 is B1.
            seed: Anything that tells this lift from others.
            rated_speed: m/s.
        """
        self.floors, self.rated_speed = list(floors), rated_speed
        self._chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self.height = self._landing(self._chance.randrange(len(self.floors)))
        self.speed, self.mode, self.car_state, self.fault = 0.0, Mode.AUTOMATIC, Car.WAIT, 0
        self.persons, self.button_s, self.powered = 0, 0.0, True
        self.calls_per_min = 2.0
        self.door_cycles, self.floors_run = 12_000, 90_000
        self._goals: deque[tuple[int, int]] = deque()  # landing, persons in the car after it
        self._rest_s, self._since_trap_s, self._plot = 0.0, 0.0, Plot.NONE
        self._passed = self._nearest()

    @property
    def floor(self) -> int:
        """Return what the display shows: the landing the car is nearest to."""
        return self.floors[self._nearest()]

    @property
    def level(self) -> bool:
        """Return whether the car stands or passes level with a landing."""
        return abs(self.height - self._landing(self._nearest())) <= LEVEL_M

    @property
    def door_open(self) -> bool:
        """Return whether the car door is not closed."""
        return self.car_state in (Car.OPENING, Car.OPEN, Car.CLOSING)

    @property
    def load_percent(self) -> float:
        """Return the load in % of the rated one."""
        return self.persons * PERSON_PERCENT

    @property
    def full(self) -> bool:
        """Return whether the car takes no more calls from landings."""
        return self.load_percent >= 80  # noqa: PLR2004 - %

    @property
    def amperes(self) -> float:
        """Return the motor's current: more with an unbalanced car."""
        imbalance = abs(self.load_percent - 45) / 100
        return 0.0 if self.speed == 0 else 8 + 30 * imbalance + 4 * abs(self.speed)

    @property
    def button(self) -> bool:
        """Return whether somebody presses the alarm button."""
        return self.button_s > 0

    def call(self, start: int, goal: int, persons: int) -> None:
        """Let persons call at a landing (index) and go to another."""
        self._goals.extend([(start, persons), (goal, 0)])

    def trap(self) -> None:
        """Stop between the next two landings, with a passenger: the safety circuit will open."""
        self._plot, self.persons = Plot.BETWEEN, max(1, self.persons)
        if self.car_state != Car.RUNNING:
            here = self._nearest()
            self._goals.appendleft((here + (2 if here < len(self.floors) // 2 else -2), 0))
            self.car_state, self._rest_s = Car.RUNNING, 0.0

    def trap_at_floor(self) -> None:
        """Stay shut at the next landing, with a passenger inside."""
        self.persons = max(1, self.persons)
        self._fail_at_landing()

    def stop_empty(self) -> None:
        """Stay shut at the next landing, with nobody inside."""
        self.persons = 0
        self._fail_at_landing()

    def _fail_at_landing(self) -> None:
        if self.car_state == Car.RUNNING:
            self._plot = Plot.AT_LANDING
        else:
            self.trip(DOOR_FAULT)

    def trip(self, fault: int) -> None:
        """Stop at once with a fault of the controller; nothing starts again until it is freed."""
        self.mode, self.fault, self.speed, self.car_state = Mode.FAULT, fault, 0.0, Car.STOPPED
        self._goals.clear()
        self._plot, self._since_trap_s = Plot.NONE, 0.0

    def free(self) -> None:
        """Let a technician move the car to the nearest landing and open it."""
        if self.mode == Mode.FAULT:
            self.mode, self.button_s = Mode.INSPECTION, 0.0

    def power(self, *, on: bool) -> None:
        """Give or take its power: the brake holds it where it is; with power again it creeps on."""
        if on == self.powered:
            return
        self.powered = on
        if not on:
            self.speed, self._since_trap_s = 0.0, 0.0
        elif self.mode == Mode.AUTOMATIC and not self.door_open:
            self._goals.clear()
            self.mode = Mode.INSPECTION

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass; at most 0.2 at a time, else it overruns landings."""
        self.button_s = max(0.0, self.button_s - dt_s)
        if not self.powered:
            self._wait_for_help(dt_s)
            return
        match self.mode:
            case Mode.FAULT:
                self._wait_for_help(dt_s)
            case Mode.INSPECTION:
                self._be_freed(dt_s)
            case Mode.AUTOMATIC:
                self._serve(dt_s)
        here = self._nearest()
        self.floors_run += abs(here - self._passed)
        self._passed = here

    def _wait_for_help(self, dt_s: float) -> None:
        """Press the alarm button for 4 s, 6 s after the stop."""
        before, self._since_trap_s = self._since_trap_s, self._since_trap_s + dt_s
        if self.persons and before < 6 <= self._since_trap_s:  # noqa: PLR2004 - s
            self.button_s = 4.0

    def _be_freed(self, dt_s: float) -> None:
        """Creep to the nearest landing, let everybody out, and work again."""
        away = self._landing(self._nearest()) - self.height
        if abs(away) > LEVEL_M:
            self.car_state = Car.RUNNING
            self.speed = FREEING_MPS if away > 0 else -FREEING_MPS
            self.height += max(-abs(away), min(abs(away), self.speed * dt_s))
            return
        self.height, self.speed, self.persons, self.fault = self.height + away, 0.0, 0, 0
        self.mode, self.car_state, self._rest_s = Mode.AUTOMATIC, Car.OPENING, DOOR_S

    def _serve(self, dt_s: float) -> None:
        if self._chance.random() < self.calls_per_min / 60 * dt_s and len(self._goals) < 6:  # noqa: PLR2004
            start, goal = self._chance.sample(range(len(self.floors)), 2)
            self.call(start, goal, self._chance.randint(1, 6))
        self._rest_s = max(0.0, self._rest_s - dt_s)
        if self._rest_s == 0:
            self._next(dt_s)

    def _next(self, dt_s: float) -> None:
        """Go on from one state of the car to the next."""
        match self.car_state:
            case Car.OPENING:
                self.car_state, self._rest_s = Car.OPEN, HOLD_S
                if self._goals and self._goals[0][0] == self._nearest():
                    self.persons = self._goals.popleft()[1]
            case Car.OPEN:
                self.car_state, self._rest_s = Car.CLOSING, DOOR_S
                self.door_cycles += 1
            case Car.RUNNING:
                self._run(dt_s)
            case Car.WAIT | Car.CLOSING | Car.CLOSED | Car.STOPPED:
                self.car_state = Car.RUNNING if self._goals else Car.WAIT

    def _run(self, dt_s: float) -> None:
        """Move towards the first goal; brake so as to stop there."""
        away = self._landing(self._goals[0][0]) - self.height
        braking = (2 * ACCELERATION * max(0.0, abs(away) - 0.01)) ** 0.5
        pace = min(self.rated_speed, abs(self.speed) + ACCELERATION * dt_s, max(braking, 0.1))
        if abs(away) <= pace * dt_s:
            self.height, self.speed = self.height + away, 0.0
            self.car_state, self._rest_s = Car.OPENING, DOOR_S
            if self._plot == Plot.AT_LANDING:
                self.trip(DOOR_FAULT)
            return
        self.speed = pace if away > 0 else -pace
        self.height += self.speed * dt_s
        off = abs(self.height - self._landing(self._nearest()))
        if self._plot == Plot.BETWEEN and off > PITCH_M / 4:
            self.trip(SAFETY_CIRCUIT)

    def _landing(self, number: int) -> float:
        return number * PITCH_M

    def _nearest(self) -> int:
        return min(len(self.floors) - 1, max(0, round(self.height / PITCH_M)))
