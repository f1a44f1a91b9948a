"""Trying again what was put aside, when somebody asks for it (`{site}/rerun`)."""

import logging
from queue import Empty, SimpleQueue
from typing import Final

import msgspec

from gateway.ingest import Ingest
from watchkeeper import wire
from watchkeeper.clock import Clock
from watchkeeper.errors import Unreachable
from watchkeeper.history import History

PAGE: Final = 200  # items of one look
PAGE_S: Final = 0.1  # between two looks: live readings go first
PASSES: Final = 2  # births nobody knew are asked for in the first, and are there in the second
PASS_S: Final = 5.0

log = logging.getLogger(__name__)


class Reruns:
    """Requests as the bus hands them over; worked off by the gateway's own thread."""

    def __init__(self, ingest: Ingest, history: History, clock: Clock) -> None:
        """Nothing is asked yet."""
        self._ingest, self._history, self._clock = ingest, history, clock
        self._asked: SimpleQueue[wire.Rerun] = SimpleQueue()
        self._wanted: set[int] = set()  # empty: everything
        self._passes = 0  # still to do
        self._before: int | None = None  # how far this pass has come
        self._next = 0.0  # tick of the next look

    def receive(self, _: str, payload: bytes) -> None:
        """Queue a request; called by the bus on its own thread."""
        try:
            self._asked.put(wire.decode_rerun(payload))
        except msgspec.DecodeError as error:
            log.warning("a request to try again cannot be read", extra={"why": str(error)})

    def look(self) -> None:
        """Do a part of what was asked; call again for the rest."""
        try:
            self._begin()
            if self._passes and self._clock.tick() >= self._next:
                self._page()
        except Unreachable as error:
            self._next = self._clock.tick() + PASS_S
            log.warning("what was put aside cannot be read now", extra=dict(error.facts))

    def _begin(self) -> None:
        try:
            asked = self._asked.get_nowait()
        except Empty:
            return
        if asked.drop:
            self._history.release(asked.ids)
            log.info("taken out of the quarantine", extra={"items": len(asked.ids)})
            return
        both = bool(asked.ids and self._wanted and self._passes)
        self._wanted = {*asked.ids, *(self._wanted if both else ())}
        self._passes, self._before = PASSES, None

    def _page(self) -> None:
        items = self._history.quarantined(PAGE, before=self._before)
        wanted = [item for item in items if not self._wanted or item.id in self._wanted]
        stored = [item.id for item in wanted if self._ingest.again(item)]
        self._ingest.commit()
        if stored:
            log.info("stored what was put aside", extra={"items": len(stored)})
        if len(items) == PAGE:
            self._before, self._next = items[-1].id, self._clock.tick() + PAGE_S
        else:
            self._passes, self._before = self._passes - 1, None
            self._next = self._clock.tick() + PASS_S
