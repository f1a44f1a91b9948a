"""An uninterruptible power supply: on line, on its battery, charging again, testing itself."""

RATED_W, RATED_VA = 2_700.0, 3_000.0
OUTPUT_V, LOAD_FACTOR = 230.0, 0.93  # of the load
FULL_WH = 960.0  # at a small load; a big one gets less out of it
FLOAT_V, EMPTY_V = 109.2, 84.0  # of 8 blocks of 12 V
CHARGE_W = 180.0
IMMINENT_S = 120.0  # so little left: it is about to shut down
TEST_S, TEST_VOLTS_LOST = 15.0, 4.0
INPUT_OK = (185.0, 250.0)


class Ups:
    """A rectifier, a battery, an inverter, and one load."""

    def __init__(self, *, load_w: float = 1_150.0) -> None:
        self.input_v, self.frequency = 222.0, 50.0
        self.load_w, self.charge, self.health = load_w, 1.0, 1.0  # charge and health: 0 to 1
        self.output, self.testing_s = True, 0.0
        self.test_passed, self.test_failed = False, False
        self.temperature_c, self.energy_wh = 26.0, 1_240_000.0

    @property
    def input_good(self) -> bool:
        """Return whether it would take its input."""
        low, high = INPUT_OK
        return low <= self.input_v <= high

    @property
    def on_battery(self) -> bool:
        """Return whether the battery carries the load because the input does not."""
        return self.output and not self.input_good

    @property
    def testing(self) -> bool:
        """Return whether the battery carries the load to show that it can."""
        return self.testing_s > 0

    @property
    def load_percent(self) -> float:
        """Return the load in % of the rated watts."""
        return 100 * self.load_w / RATED_W if self.output else 0.0

    @property
    def runtime_s(self) -> float:
        """Return how long the battery would carry the load."""
        return 3600 * self._left_wh() / max(50.0, self.load_w)

    @property
    def imminent(self) -> bool:
        """Return whether it is about to shut down."""
        return self.on_battery and self.runtime_s < IMMINENT_S

    @property
    def battery_v(self) -> float:
        """Return V: it floats while it is charged, and sags under load, an old one more."""
        still = EMPTY_V + (FLOAT_V - 6.0 - EMPTY_V) * self.charge
        if self.on_battery or self.testing:
            sag = TEST_VOLTS_LOST * self.load_w / RATED_W / max(0.2, self.health)
            return max(EMPTY_V - 6.0, still - sag)
        return min(FLOAT_V, still + 6.0)

    @property
    def replace(self) -> bool:
        """Return whether the battery did not pass its last test."""
        return self.test_failed

    def test(self) -> None:
        """Let the battery carry the load for a while, where there is an input to go back to."""
        if self.output and self.input_good and not self.testing:
            self.testing_s, self.test_passed, self.test_failed = TEST_S, False, False

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        if self.input_good:
            self.output = True
        if self.testing:
            self._test(dt_s)
        if self.output:
            self.energy_wh += self.load_w * dt_s / 3600
        if self.on_battery or self.testing:
            self._drain(dt_s)
        elif self.input_good:
            self._charge(dt_s)
        goal = 26.0 + (9.0 if self.on_battery else 0.0)
        self.temperature_c += (goal - self.temperature_c) * min(1.0, dt_s / 600)

    def _test(self, dt_s: float) -> None:
        if not self.input_good:  # the mains fails in the middle: no verdict
            self.testing_s = 0.0
            return
        self.testing_s = max(0.0, self.testing_s - dt_s)
        if not self.testing:
            self.test_passed = self.health >= 0.6  # noqa: PLR2004 - of a new battery
            self.test_failed = not self.test_passed

    def _left_wh(self) -> float:
        """Return what can be taken out at this load."""
        return FULL_WH * self.health * self.charge * (1 - 0.25 * self.load_w / RATED_W)

    def _drain(self, dt_s: float) -> None:
        full = self._left_wh() / self.charge if self.charge > 0 else 0.0
        if full <= 0:
            self.charge = 0.0
        else:
            self.charge = max(0.0, self.charge - self.load_w * dt_s / 3600 / full)
        if self.charge <= 0 and not self.input_good:
            self.output = False

    def _charge(self, dt_s: float) -> None:
        self.charge = min(1.0, self.charge + CHARGE_W * dt_s / 3600 / (FULL_WH * self.health))
