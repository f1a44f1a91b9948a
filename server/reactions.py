"""A failing reaction never hides an alarm (architecture §5).

The work is done again with the essential reactions alone; that something failed becomes a critical
alarm of its own; what was left out is tried again by a timer.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import msgspec

from server import events
from server.timers import Timer, Timers
from server.unit import Reactions, Unit
from server.writer import Done, Turn, Work, Writer

KIND = "reaction"  # of the timers that try again
AGAIN = timedelta(seconds=60)
_KINDS: dict[str, type[events.Event]] = {kind.__name__: kind for kind in events.Event.__args__}

log = logging.getLogger(__name__)


class Sure:
    """Work of the alarm path: what it decides is committed even when a reaction fails."""

    def __init__(
        self, writer: Writer, essential: Reactions, failed: Callable[[Unit, BaseException], None]
    ) -> None:
        """`failed` raises the alarm about the failure."""
        self._writer, self._essential, self._failed = writer, essential, failed

    def do(self, work: Work, turn: Turn) -> Done:
        """Queue `work`; the future ends when it, or its essence, is committed."""
        told: Done = Future()
        first = self._writer.do(work, turn)
        first.add_done_callback(lambda done: self._ended(done, work, turn, told))
        return told

    def _ended(self, done: Done, work: Work, turn: Turn, told: Done) -> None:
        error = done.exception()
        if error is None:
            told.set_result(done.result())
            return
        log.error("a unit of work failed, done again with the essence alone", exc_info=error)
        second = self._writer.do(lambda unit: self._essence(unit, work, error), turn)
        second.add_done_callback(lambda again: _pass_on(again, told))

    def _essence(self, unit: Unit, work: Work, error: BaseException) -> Any:
        unit.react_with(self._essential)
        result = work(unit)
        for number, event in enumerate(unit.seen):
            facts = {"event": type(event).__name__, "said": msgspec.to_builtins(event)}
            subject = f"{unit.now.timestamp():.3f}/{number}/{facts['event']}"
            Timers(unit).set(Timer(KIND, subject, 0, unit.now + AGAIN, facts))
        self._failed(unit, error)
        return result


def again(unit: Unit, timer: Timer) -> None:
    """Let the full table of reactions run for an event whose reactions failed before."""
    kind = _KINDS[timer.facts["event"]]
    unit.happened(msgspec.convert(timer.facts["said"], kind))


def _pass_on(done: Done, told: Done) -> None:
    if error := done.exception():
        log.critical("an event could not be decided at all", exc_info=error)
        told.set_exception(error)
    else:
        told.set_result(done.result())
