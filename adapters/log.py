"""Logging of every program: one line a change of state on stderr, facts as key=value."""

import logging
import sys
from typing import Final

from typing_extensions import override

# What a record has anyway, and what uvicorn adds for terminals: no facts.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName", "color_message",
}  # fmt: skip
# Libraries that log each packet, or each time-out that we log once as a change of state.
_TALKATIVE: Final = {
    "pymodbus": logging.CRITICAL,
    "amqtt": logging.ERROR,
    "transitions": logging.ERROR,
    "httpx": logging.WARNING,
    "alembic.runtime.plugins": logging.WARNING,
    "urllib3": logging.WARNING,
}


class Line(logging.Formatter):
    """`2026-06-01T12:00:00 WARNING edge.poll: unit does not answer unit=main-1`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line with what was given as `extra` behind it."""
        facts = "".join(f" {key}={value}" for key, value in vars(record).items() if key not in _OWN)
        return super().formatMessage(record) + facts


def start(level: str = "INFO") -> None:
    """Log to stderr from here on; who is called second changes nothing."""
    root = logging.getLogger()
    if any(isinstance(each.formatter, Line) for each in root.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Line())
    root.addHandler(handler)
    root.setLevel(level)
    for name, lowest in _TALKATIVE.items():
        logging.getLogger(name).setLevel(lowest)
