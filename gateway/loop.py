"""The gateway's thread: gathers messages into commits and waits for a store that is away."""

import logging
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Final

from gateway.ingest import Ingest
from watchkeeper.clock import Clock
from watchkeeper.errors import Unreachable

COMMIT_READINGS: Final = 5_000
COMMIT_S: Final = 0.05  # so a broker with 20 messages in flight is slower, but never stalls
QUEUED: Final = 5_000  # messages; what comes beyond is not acknowledged, so it comes again
QUEUED_BYTES: Final = 100_000_000  # likewise
LOOK_S: Final = 0.2  # between two looks whether to stop
FIRST_S: Final = 1.0  # between two attempts to reach the store, then twice as long each time
LONGEST_S: Final = 5.0  # so that readings flow soon after it is back; one question costs nothing

log = logging.getLogger(__name__)


class Loop:
    """What the bus hands over, through `Ingest`, in groups."""

    def __init__(
        self, ingest: Ingest, clock: Clock, between: Sequence[Callable[[], None]] = ()
    ) -> None:
        """Prepare; each of `between` is called on our thread after a commit and must be quick."""
        self._ingest, self._clock, self._between = ingest, clock, between
        self._queue: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
        self._bytes, self._counting = 0, Lock()
        self._stop = Event()
        self.dropped = 0
        self.store_away = False
        self._thread = Thread(target=self._run, name="gateway", daemon=True)

    def health(self) -> dict[str, float]:
        """Return counters and gauges for our state."""
        return {
            **self._ingest.counts,
            "dropped": self.dropped,
            "queued": self._queue.qsize(),
            "queue_limit": QUEUED,
            "store_away": int(self.store_away),
        }

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def receive(self, topic: str, payload: bytes) -> None:
        """Queue a batch; called by the bus on its own thread."""
        if self._queue.qsize() >= QUEUED or self._bytes + len(payload) > QUEUED_BYTES:
            self.dropped += 1
            return
        self._put(topic, payload)

    def receive_birth(self, topic: str, payload: bytes) -> None:
        """Queue a birth: never dropped, for a retained one comes only once a connection."""
        self._put(topic, payload)

    def _put(self, topic: str, payload: bytes) -> None:
        with self._counting:
            self._bytes += len(payload)
        self._queue.put((topic, payload))

    def close(self) -> None:
        """Commit what was taken, then stop."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._gather()
                self._until_answered(self._ingest.commit)
                for call in self._between:
                    call()
            except Exception:
                # Not acknowledged, so it comes again; the loop must outlive any one message.
                log.exception("a group was not committed")
                self._ingest.forget()
                self._stop.wait(1.0)

    def _gather(self) -> None:
        """Take messages until a commit is worth while, or the first has waited long enough."""
        until: float | None = None
        while self._ingest.waiting < COMMIT_READINGS:
            left = LOOK_S if until is None else until - self._clock.tick()
            if left <= 0:
                return
            try:
                topic, payload = self._queue.get(timeout=left)
            except Empty:
                return
            with self._counting:
                self._bytes -= len(payload)
            until = until or self._clock.tick() + COMMIT_S
            self._until_answered(lambda: self._ingest.take(topic, payload))  # noqa: B023 - called now

    def _until_answered(self, call: Callable[[], None]) -> None:
        """Do it; while the store is away try again, ever more slowly, until told to stop."""
        delay = FIRST_S
        while True:
            try:
                call()
            except Unreachable as error:
                if not self.store_away:
                    log.warning("the history store is away", extra=dict(error.facts))
                self.store_away = True
                if self._stop.wait(delay):
                    return
                delay = min(2 * delay, LONGEST_S)
            else:
                if self.store_away:
                    log.info("the history store is back")
                self.store_away = False
                return
