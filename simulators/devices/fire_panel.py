"""A fire panel: its detectors, what latches, what a reset and a mute do, its two supplies.

A detector that rang stays so until the panel is reset. A reset looks again: where there is still
smoke it rings anew. Faults and disablements go with their cause. Disabled, a detector is not heard.
"""

from datetime import timedelta

NORMAL, FIRE, FAULT, DISABLED = 0, 1, 2, 3
RESET, MUTE = 1 << 0, 1 << 1  # operations, as GB/T 26875.3 numbers their bits
MAINS, BATTERY = 1 << 0, 1 << 1  # of supply_faults
LOOK_AGAIN_S = 4.0  # from a reset until a detector in smoke rings again
_WORST = (FIRE, FAULT, DISABLED)


class FirePanel:
    """Shows by detector (number - 1) one code; `step` is needed after a reset only."""

    def __init__(self, detectors: int) -> None:
        self.detectors = [NORMAL] * detectors  # what is shown
        self.sounding, self.supply_faults = False, 0
        self.operations: list[int] = []  # what persons did at it, as bits, oldest first
        self.clock_off = timedelta()  # how wrong its clock is
        self._smoke: set[int] = set()
        self._rang: set[int] = set()
        self._faulty: set[int] = set()
        self._disabled: set[int] = set()
        self._look_s = 0.0  # until it looks again

    @property
    def state(self) -> int:
        """Return the panel's state: fire before fault, its supplies' too, before disabled."""
        worst = next((code for code in _WORST if code in self.detectors), NORMAL)
        return FAULT if self.supply_faults and worst != FIRE else worst

    def put(self, detector: int, code: int) -> None:
        """Give one detector (from 1) a cause; NORMAL takes all of them away, and it shows nothing.

        A fire is not replaced by a fault or a disablement: it goes with a reset only.
        """
        causes = {FIRE: self._smoke, FAULT: self._faulty, DISABLED: self._disabled}
        if code == NORMAL:
            for each in (*causes.values(), self._rang):
                each.discard(detector)
        else:
            causes[code].add(detector)
        self._listen()

    def end(self, code: int) -> None:
        """Take one kind of cause away from every detector; what rang still shows."""
        {FIRE: self._smoke, FAULT: self._faulty, DISABLED: self._disabled}[code].clear()
        self._listen()

    def mute(self) -> None:
        """Silence the sounders, as a person does; the next fire makes them sound again."""
        self.sounding = False
        self.operations.append(MUTE)

    def reset(self) -> None:
        """Reset the panel by hand: what rang is forgotten, and soon it looks again."""
        self._rang.clear()
        self.sounding, self._look_s = False, LOOK_AGAIN_S
        self.operations.append(RESET)
        self._show()

    def supply(self, fault: int, *, failed: bool) -> None:
        """Say that one of its supplies, MAINS or BATTERY, failed or is back."""
        self.supply_faults = self.supply_faults | fault if failed else self.supply_faults & ~fault

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        if self._look_s > 0:
            self._look_s = max(0.0, self._look_s - dt_s)
            self._listen()

    def _listen(self) -> None:
        """Latch what is heard now."""
        if self._look_s <= 0:
            fresh = self._smoke - self._disabled - self._rang
            self._rang |= fresh
            self.sounding = bool(self._rang) and (self.sounding or bool(fresh))
        self._show()

    def _show(self) -> None:
        shown = [NORMAL] * len(self.detectors)
        for code, those in (
            (FAULT, self._faulty),
            (DISABLED, self._disabled),
            (FIRE, self._rang),
        ):
            for detector in those:
                shown[detector - 1] = code
        self.detectors = shown
