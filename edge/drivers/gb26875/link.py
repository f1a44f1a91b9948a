"""One connection of a transmission device: what is said to it, and what it answers."""

import asyncio
from collections.abc import Callable
from typing import Final

from edge.drivers.gb26875.v2011.frame import Command, Frame, encoded

TRIES: Final = 3  # of a command; clause 6.5.5
MOST_UNREAD: Final = 1 << 16  # bytes a device may leave unread before it is hung up on
_SERIALS: Final = 1 << 16


class Unanswered(Exception):  # noqa: N818 - a word of the trade
    """The device is not connected, or did not answer in time."""


class Denied(Exception):  # noqa: N818 - likewise
    """The device refused the command."""


class Link:
    """A connection, from its first good frame on."""

    def __init__(
        self, writer: asyncio.StreamWriter, first: Frame, stamp: Callable[[], bytes]
    ) -> None:
        """Take the connection, the frame that told whose it is, and the time for our frames."""
        self._writer, self._stamp = writer, stamp
        self._us, self.peer, self._version = first.destination, first.source, first.version
        self._serial = -1
        self._waiting: dict[int, asyncio.Future[Command]] = {}

    def confirm(self, frame: Frame) -> None:
        """Say: taken."""
        self._send(Command.CONFIRM, frame.serial)

    def deny(self, frame: Frame) -> None:
        """Say: send it again, or do not."""
        self._send(Command.DENY, frame.serial)

    def send(self, command: Command, data: bytes) -> int:
        """Send something of our own; return its serial."""
        self._serial = (self._serial + 1) % _SERIALS
        self._send(command, self._serial, data)
        return self._serial

    def answered(self, frame: Frame) -> None:
        """Take a confirm or a denial of what was sent."""
        waiting = self._waiting.pop(frame.serial, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(Command(frame.command))

    async def command(self, data: bytes, answer_s: float) -> None:
        """Send a command until it is confirmed, three times at most.

        Raises:
            Denied: The device will not.
            Unanswered: It said nothing each time within `answer_s`, or hung up.
        """
        serial = self.send(Command.CONTROL, data)
        for tried in range(TRIES):
            if tried:
                self._send(Command.CONTROL, serial, data)
            answer = asyncio.get_running_loop().create_future()
            self._waiting[serial] = answer
            await asyncio.wait([answer], timeout=answer_s)
            if answer.cancelled():
                break
            if answer.done():
                if answer.result() == Command.DENY:
                    raise Denied(self.peer.hex())
                return
        self._waiting.pop(serial, None)
        raise Unanswered(self.peer.hex())

    def close(self) -> None:
        """Hang up; nobody waits for an answer any more."""
        for waiting in self._waiting.values():
            waiting.cancel()
        self._waiting.clear()
        self._writer.close()

    def _send(self, command: Command, serial: int, data: bytes = b"") -> None:
        if self._writer.transport.get_write_buffer_size() > MOST_UNREAD:
            self._writer.transport.abort()
        if not self._writer.is_closing():
            frame = Frame(serial, command, self._us, self.peer, data, self._stamp(), self._version)
            self._writer.write(encoded(frame))
