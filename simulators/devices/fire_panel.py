"""A fire panel: what its detectors say, and the worst of it as the panel's own state."""

NORMAL, FIRE, FAULT, DISABLED = 0, 1, 2, 3
_WORST = (FIRE, FAULT, DISABLED)


class FirePanel:
    """Latches like a real panel: a detector that rang stays so until the panel is reset."""

    def __init__(self, detectors: int) -> None:
        self.detectors = [NORMAL] * detectors  # by number - 1

    @property
    def state(self) -> int:
        """Return the panel's state: fire before fault before disabled."""
        return next((code for code in _WORST if code in self.detectors), NORMAL)

    def put(self, detector: int, code: int) -> None:
        """Let one detector (from 1) say something; a fire is not replaced by less than a reset."""
        if code == NORMAL or self.detectors[detector - 1] != FIRE:
            self.detectors[detector - 1] = code

    def reset(self) -> None:
        """Reset the panel by hand: every detector is normal again."""
        self.detectors = [NORMAL] * len(self.detectors)
