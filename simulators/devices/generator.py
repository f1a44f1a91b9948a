"""A diesel generator: it starts when the mains fails, takes the load, and cools down afterwards.

Mains gone -> wait, in case it was a dip -> pre-heat -> crank, at most three times -> warm up ->
carry the load -> the mains is back for a while -> give the load back -> cool down -> stop.
It knows nothing of registers. The times are shorter than in a plant room, so that a story need not
wait.
"""

from enum import IntEnum, auto

START_DELAY_S, PREHEAT_S, CRANK_S, CRANK_REST_S, CRANKS = 3.0, 2.0, 4.0, 5.0, 3
FIRES_AFTER_S = 2.0  # of cranking
WARM_UP_S, RETURN_S, COOL_DOWN_S, RUN_DOWN_S = 5.0, 20.0, 45.0, 8.0
RATED_RPM, CRANK_RPM = 1500.0, 220.0
AMBIENT_C, HEATED_C, WARM_C = 22.0, 42.0, 80.0  # the coolant is kept warm while it stands
LITRES_PER_KWH, IDLE_LITRES_PER_KW = 0.25, 0.022  # an hour; idle: per kW of its rating
FLOAT_V, ALONE_V, CRANK_V, CHARGED_V = 27.2, 25.4, 20.5, 28.2
POWER_FACTOR = 0.9


class Engine(IntEnum):
    """Engine state as register 1408 numbers it."""

    STOPPED, PRE_START, WARM_UP, RUNNING, COOLING, ENDED, POST_RUN = range(7)


class Phase(IntEnum):
    """What the controller is doing."""

    IDLE, DELAY, PREHEAT, CRANK, REST, WARM, LOADED, RETURN, COOL, RUN_DOWN, FAILED = (
        auto() for _ in range(11)
    )


_LASTS = {
    Phase.DELAY: (START_DELAY_S, Phase.PREHEAT),
    Phase.PREHEAT: (PREHEAT_S, Phase.CRANK),
    Phase.REST: (CRANK_REST_S, Phase.CRANK),
    Phase.WARM: (WARM_UP_S, Phase.LOADED),
    Phase.RETURN: (RETURN_S, Phase.COOL),
    Phase.COOL: (COOL_DOWN_S, Phase.RUN_DOWN),
    Phase.RUN_DOWN: (RUN_DOWN_S, Phase.IDLE),
}
_ENGINE = {
    Phase.DELAY: Engine.STOPPED,
    Phase.PREHEAT: Engine.PRE_START,
    Phase.CRANK: Engine.PRE_START,
    Phase.REST: Engine.PRE_START,
    Phase.WARM: Engine.WARM_UP,
    Phase.LOADED: Engine.RUNNING,
    Phase.RETURN: Engine.RUNNING,
    Phase.COOL: Engine.COOLING,
    Phase.RUN_DOWN: Engine.POST_RUN,
    Phase.FAILED: Engine.ENDED,
}
_TURNING = {Phase.WARM, Phase.LOADED, Phase.RETURN, Phase.COOL}


class Generator:
    """Engine, alternator, tank and starter battery behind one controller in automatic."""

    def __init__(self, *, rated_kw: float = 250.0, tank_l: float = 500.0) -> None:
        self.rated_kw, self.tank_l, self.fuel_l = rated_kw, tank_l, 0.85 * tank_l
        self.mains, self.demand_kw = True, 0.0  # what it senses; what its boards would draw
        self.starter_broken, self.automatic = False, True
        self.phase = Phase.IDLE
        self.rpm, self.coolant_c, self.oil_bar, self.battery_v = 0.0, HEATED_C, 0.0, FLOAT_V
        self.run_s, self.energy_kwh, self.starts = 412_000.0, 18_400.0, 137
        self._in_phase_s, self._cranks, self._ran = 0.0, 0, False

    @property
    def carries(self) -> bool:
        """Return whether its breaker is closed."""
        return self.phase in {Phase.LOADED, Phase.RETURN}

    @property
    def engine(self) -> Engine:
        """Return what the controller calls the engine's state."""
        return _ENGINE.get(self.phase, Engine.ENDED if self._ran else Engine.STOPPED)

    @property
    def load_kw(self) -> float:
        """Return what it gives."""
        return self.demand_kw if self.carries else 0.0

    @property
    def frequency(self) -> float:
        """Return Hz at the alternator; it sags a little under load."""
        return self.rpm / 30 if self.rpm > CRANK_RPM else 0.0

    @property
    def voltage(self) -> float:
        """Return V from line to neutral; the alternator needs speed to excite itself."""
        return 231.0 * min(1.0, self.rpm / RATED_RPM) if self.rpm > RATED_RPM / 2 else 0.0

    @property
    def fuel_percent(self) -> float:
        """Return how full the tank is."""
        return 100 * self.fuel_l / self.tank_l

    def reset(self) -> None:
        """Acknowledge a failure at the controller: it may try again."""
        if self.phase == Phase.FAILED:
            self._go(Phase.IDLE)

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        self._in_phase_s += dt_s
        self._decide()
        self._turn(dt_s)
        self._warm(dt_s)
        self._charge(dt_s)

    def _decide(self) -> None:
        if self.phase in _TURNING and self.fuel_l <= 0:
            self._go(Phase.FAILED)
        elif self.phase == Phase.CRANK:
            self._crank()
        elif self._wanted() is not None:
            self._go(self._wanted() or self.phase)
        elif self.phase in _LASTS and self._in_phase_s >= _LASTS[self.phase][0]:
            self._go(_LASTS[self.phase][1])

    def _wanted(self) -> Phase | None:
        """Return where the mains sends it from here; None: nowhere."""
        if self.mains:
            leaves = {Phase.DELAY: Phase.IDLE, Phase.PREHEAT: Phase.IDLE, Phase.REST: Phase.IDLE}
            return (leaves | {Phase.WARM: Phase.COOL, Phase.LOADED: Phase.RETURN}).get(self.phase)
        again = {Phase.RETURN: Phase.LOADED, Phase.COOL: Phase.LOADED}
        if self.phase == Phase.IDLE and self.automatic:
            return Phase.DELAY
        return again.get(self.phase)

    def _crank(self) -> None:
        fires = self.fuel_l > 0 and not self.starter_broken
        if fires and self._in_phase_s >= FIRES_AFTER_S:
            self.starts, self._cranks, self._ran = self.starts + 1, 0, True
            self._go(Phase.WARM)
        elif self._in_phase_s >= CRANK_S:
            self._cranks += 1
            if self._cranks < CRANKS:
                self._go(Phase.REST)
            else:
                self._cranks = 0
                self._go(Phase.FAILED)

    def _go(self, phase: Phase) -> None:
        self.phase, self._in_phase_s = phase, 0.0

    def _turn(self, dt_s: float) -> None:
        """Follow the speed the phase asks for; burn and count."""
        cranks = self.phase == Phase.CRANK and not self.starter_broken
        sag = 6.0 * self.load_kw / self.rated_kw
        goal = RATED_RPM - sag if self.phase in _TURNING else CRANK_RPM if cranks else 0.0
        self.rpm += (goal - self.rpm) * min(1.0, dt_s / 0.8)
        self.rpm = 0.0 if goal == 0 and self.rpm < 1 else self.rpm
        self.oil_bar = (
            0.0 if self.rpm < CRANK_RPM else (5.2 - self.coolant_c / 60) * (self.rpm / RATED_RPM)
        )
        if self.phase in _TURNING:
            hours = dt_s / 3600
            burnt = IDLE_LITRES_PER_KW * self.rated_kw + LITRES_PER_KWH * self.load_kw
            self.fuel_l = max(0.0, self.fuel_l - burnt * hours)
            self.run_s += dt_s
            self.energy_kwh += self.load_kw * hours

    def _warm(self, dt_s: float) -> None:
        """Warm up while it turns, more under load; else fall back to the heater's temperature."""
        turning = self.phase in _TURNING
        rest = HEATED_C if self.mains else AMBIENT_C
        goal = WARM_C + 12 * self.load_kw / self.rated_kw if turning else rest
        self.coolant_c += (goal - self.coolant_c) * min(1.0, dt_s / (90 if turning else 1800))

    def _charge(self, dt_s: float) -> None:
        """Charge from alternator or mains; without both the battery sinks, as under the starter."""
        if self.phase == Phase.CRANK and not self.starter_broken:
            self.battery_v = CRANK_V
            return
        turning = self.phase in _TURNING
        goal, slow_s = (CHARGED_V, 10.0) if turning else (FLOAT_V if self.mains else ALONE_V, 30.0)
        self.battery_v += (goal - self.battery_v) * min(1.0, dt_s / slow_s)
