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

DUE: Final = 4_194_304  # bytes committed since the last one
FULL: Final = 16_384  # pages of 4 KiB in the WAL, beyond which commits wait for the last bit

log = logging.getLogger(__name__)


class Checkpoints:
    """A thread, from its making until `close`."""

    def __init__(self, path: Path, writing: Turns) -> None:
        """Begin; `writing` is had by whoever commits."""
        self._path, self._writing = path, writing
        self._committed = 0
        self._due = Event()
        self._stopping = False
        self._thread = Thread(target=self._run, name="history-checkpoint", daemon=True)
        self._thread.start()

    def note(self, size: int) -> None:
        """Say that so many bytes are being committed; by who has the turn."""
        self._committed += size
        if self._committed > DUE:
            self._committed = 0
            self._due.set()

    def _run(self) -> None:
        db = sqlite3.connect(self._path, isolation_level=None, timeout=10)
        db.execute("pragma synchronous=full")
        failing = False
        try:
            while self._due.wait() and not self._stopping:
                self._due.clear()
                try:
                    if _checkpoint(db) > FULL:
                        _checkpoint(db)  # what came meanwhile, so that little is left
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
        self._stopping = True
        self._due.set()
        self._thread.join()


def _checkpoint(db: sqlite3.Connection) -> int:
    """Move what no reader needs; return how many pages the WAL holds."""
    return int(db.execute("pragma wal_checkpoint(passive)").fetchone()[1])
