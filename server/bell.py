"""Wakes a thread that waits for work."""

from threading import Condition


class Bell:
    """Rung by whoever leaves work, as often as they like; a waiter misses no ring."""

    def __init__(self) -> None:
        self._news = Condition()
        self.rings = 0

    def ring(self) -> None:
        """Wake everybody who waits."""
        with self._news:
            self.rings += 1
            self._news.notify_all()

    def wait(self, heard: int, at_most_s: float) -> None:
        """Return once it rang more than `heard` times, or after so long."""
        with self._news:
            self._news.wait_for(lambda: self.rings > heard, at_most_s)
