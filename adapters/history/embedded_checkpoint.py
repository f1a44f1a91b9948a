"""Moving what was committed from the WAL into the file, beside the writer.

SQLite would do it within a commit, every 1,000 pages, and that commit would wait for the file's
fsync. Here a thread does it on a connection of its own, which keeps no commit waiting. Where so
many come that one never ends, its last bit is done while they wait, so that the WAL begins anew.
"""

import logging
import sqlite3
from pathlib import Path
from threading import Event, Thread
from typing import Final

from adapters.history.embedded_file import Turns

EVERY_S: Final = 0.5
FULL: Final = 8_192  # pages of 4 KiB in the WAL, beyond which commits wait for the last bit

log = logging.getLogger(__name__)


class Checkpoints:
    """A thread, from its making until `close`."""

    def __init__(self, path: Path, writing: Turns) -> None:
        """Begin; `writing` is had by whoever commits."""
        self._path, self._writing = path, writing
        self._stop = Event()
        self._thread = Thread(target=self._run, name="history-checkpoint", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        db = sqlite3.connect(self._path, isolation_level=None, timeout=10)
        failing = False
        try:
            while not self._stop.wait(EVERY_S):
                try:
                    if _checkpoint(db) > FULL:
                        with self._writing:
                            _checkpoint(db)
                    failing = False
                except sqlite3.Error:
                    if not failing:
                        log.exception("a checkpoint failed; the WAL keeps everything")
                    failing = True
        finally:
            db.close()

    def close(self) -> None:
        """Stop; whoever closes the file last does what is left."""
        self._stop.set()
        self._thread.join()


def _checkpoint(db: sqlite3.Connection) -> int:
    """Move what no reader needs; return how many pages the WAL holds."""
    return int(db.execute("pragma wal_checkpoint(passive)").fetchone()[1])
