"""The history store as the server has it: it may be away, and is then opened again by itself."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from watchkeeper.errors import Unreachable, WatchkeeperError
from watchkeeper.history import History

AGAIN_S = 10.0  # between two attempts

log = logging.getLogger(__name__)


class Past:
    """Holds the store once it could be opened; alarms do not wait for it."""

    def __init__(self, open_: Callable[[], History], again_s: float = AGAIN_S) -> None:
        """Open the store, or go on without it when it is away.

        Raises ConfigError: the store is set up wrongly, so waiting would not help.
        """
        self._open, self._again_s = open_, again_s
        self._history: History | None = None
        self._why = ""
        self._stop = Event()
        self._thread = Thread(target=self._run, name="history", daemon=True)
        self.look()

    def get(self) -> History | None:
        """Return the store; None while it could not be opened."""
        return self._history

    def look(self) -> None:
        """Try to open the store, where that is still to do; a failure is told once."""
        if self._history is not None:
            return
        try:
            self._history = self._open()
        except (Unreachable, OSError) as error:
            self._told(error)
        else:
            if self._why:
                log.info("the history store is there")

    def start(self) -> None:
        """Begin to try again, if that is needed."""
        if self._history is None:
            self._thread.start()

    def close(self) -> None:
        """End the attempts and close the store."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._history is not None:
            self._history.close()

    def _run(self) -> None:
        while self._history is None and not self._stop.wait(self._again_s):
            try:
                self.look()
            except WatchkeeperError as error:  # a store that came, and cannot be used
                self._told(error)

    def _told(self, error: Exception) -> None:
        if str(error) != self._why:
            self._why = str(error)
            facts = error.facts if isinstance(error, WatchkeeperError) else {"why": error}
            log.warning("no history", extra=dict(facts))
