"""What the platform may have an edge do (down/cmd): one thing, the duty check (查岗).

Nothing is switched, reset or silenced. A command is for now: it is neither kept nor done twice.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final

from edge.drivers.gb26875.listener import Listener
from watchkeeper.wire import Command

REMEMBERED: Final = 100  # commands; the broker may deliver one twice

log = logging.getLogger(__name__)


class Commands:
    """Takes commands and does them, each beside the others."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        """Name who does them."""
        self._listeners = listeners
        self._waiting: asyncio.Queue[Command] = asyncio.Queue()
        self._taken: deque[str] = deque(maxlen=REMEMBERED)

    def take(self, command: Command) -> None:
        """Have a command done; one that was taken already is not done again."""
        if command.id not in self._taken:
            self._taken.append(command.id)
            self._waiting.put_nowait(command)

    async def run(self) -> None:
        """Do what is taken, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._do(await self._waiting.get()))

    async def _do(self, command: Command) -> None:
        facts = {"unit": command.unit, "id": command.id, "what": command.what}
        owner = next((each for each in self._listeners if each.has(command.unit)), None)
        if owner is None:
            log.warning("a command for a unit that cannot do it", extra=facts)
            return
        log.info("told by the platform", extra=facts)
        try:
            await owner.check_duty(command.unit, command.minutes)
        except Exception:  # a fault of ours costs one command
            log.exception("command not done", extra=facts)
