"""A serial port as an asyncio transport, on the terminal calls of the system: POSIX only.

pymodbus would want pyserial for it; what a Modbus line needs of a port is on this page.
"""

import asyncio
import fcntl
import os
import termios
from collections.abc import Callable

from typing_extensions import override

from watchkeeper.site import ModbusRtu

_PARITY = {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}
_MOST = 1024  # bytes taken at once: more than the longest answer


def opened(where: ModbusRtu) -> int:
    """Return a descriptor of the port, set up and locked, with nothing left in it.

    Raises OSError: there is none, or another program has it.
    """
    port = os.open(where.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        # Two programs on one line would take each other's answers.
        fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _set_up(port, where)
    except termios.error as error:
        os.close(port)
        raise OSError(f"{where.port} cannot be set up as a serial port: {error}") from error
    except OSError:
        os.close(port)
        raise
    return port


def control_flags(where: ModbusRtu) -> int:
    """Return the terminal's control flags: eight bits, this parity and stop, no modem lines."""
    stop = termios.CSTOPB if where.stop == 2 else 0  # noqa: PLR2004 - two stop bits
    return termios.CS8 | termios.CREAD | termios.CLOCAL | _PARITY[where.parity] | stop


def _set_up(port: int, where: ModbusRtu) -> None:
    """Make it raw: bytes as they come, no echo, no flow control, and no reset on hanging up."""
    speed = getattr(termios, f"B{where.baud}")
    characters = termios.tcgetattr(port)[6]
    characters[termios.VMIN], characters[termios.VTIME] = 0, 0
    termios.tcsetattr(
        port, termios.TCSANOW, [0, 0, control_flags(where), 0, speed, speed, characters]
    )
    termios.tcflush(port, termios.TCIOFLUSH)


class SerialTransport(asyncio.Transport):
    """Bytes between a port and a protocol."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, port: int, protocol: asyncio.Protocol
    ) -> None:
        """Take over the descriptor."""
        super().__init__()
        self._loop, self._port, self._protocol = loop, port, protocol
        self._closing = False
        loop.add_reader(port, self._readable)
        loop.call_soon(protocol.connection_made, self)

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a request: eight bytes, which the system's buffer takes at once or never."""
        try:
            whole = os.write(self._port, data) == len(data)
        except OSError as error:
            self._lost(error)
            return
        if not whole:
            self._lost(OSError("the port takes nothing"))

    @override
    def is_closing(self) -> bool:
        return self._closing

    @override
    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.remove_reader(self._port)
            os.close(self._port)

    def _readable(self) -> None:
        try:
            data = os.read(self._port, _MOST)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error)
            return
        if data:
            self._protocol.data_received(data)
        else:
            self._lost(OSError("the port is gone"))

    def _lost(self, error: OSError) -> None:
        if not self._closing:
            self.close()
            self._loop.call_soon(self._protocol.connection_lost, error)


async def connect(
    where: ModbusRtu, protocol: Callable[[], asyncio.Protocol]
) -> tuple[SerialTransport, asyncio.Protocol]:
    """Open the port; the other end of it is `protocol`. Raises OSError: it cannot be opened."""
    made = protocol()
    return SerialTransport(asyncio.get_running_loop(), opened(where), made), made
