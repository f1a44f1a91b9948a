"""A Modbus TCP server for many units on one bus: functions 1-4, and nothing can be written.

Own code and not pymodbus's server: that one routes every request through its datastore objects and
simulator actions, one device context and one copied list of registers a unit. Here a request is a
slice of the bytes the building wrote (docs/simulators.md has the figures). The answers are checked
against pymodbus's client in the tests.
"""

import asyncio
import struct
from collections.abc import Mapping

from typing_extensions import override

from simulators.building import Slot

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_SUCH_UNIT = 1, 2, 3, 11
_MOST = {1: 2000, 2: 2000, 3: 125, 4: 125}
_HEADER = struct.Struct(">HHHB")
_READ = struct.Struct(">BHH")


def answer(slots: Mapping[int, Slot], unit: int, request: bytes) -> bytes | None:
    """Return the answer to a request (both without header); None where the unit is silent."""
    slot = slots.get(unit)
    if slot is None:
        return bytes([request[0] | 0x80, NO_SUCH_UNIT])
    if slot.silent:
        return None
    found = _found(slot, request)
    if isinstance(found, int):
        return bytes([request[0] | 0x80, found])
    return bytes([request[0], len(found)]) + found


def _found(slot: Slot, request: bytes) -> bytes | int:
    """Return the data asked for, or the exception code."""
    function = request[0]
    if function not in _MOST:
        return ILLEGAL_FUNCTION
    if len(request) != _READ.size:
        return ILLEGAL_VALUE
    _, address, count = _READ.unpack(request)
    if not 1 <= count <= _MOST[function]:
        return ILLEGAL_VALUE
    found = _read(slot, function, address, count)
    return ILLEGAL_ADDRESS if found is None else found


def _read(slot: Slot, function: int, address: int, count: int) -> bytes | None:
    """Return registers, or bits packed lowest first; None where the unit has not all of them."""
    width = 1 if function <= 2 else 2  # noqa: PLR2004 - functions 1 and 2 read bits
    for (kind, start), data in slot.blocks.items():
        if kind == function and start <= address and address + count <= start + len(data) // width:
            found = data[(address - start) * width : (address - start + count) * width]
            return _packed(found) if width == 1 else found
    return None


def _packed(bits: bytes) -> bytes:
    """Return one bit a byte as eight bits a byte, lowest first."""
    number = sum(1 << place for place, bit in enumerate(bits) if bit)
    return number.to_bytes((len(bits) + 7) // 8, "little")


class _Connection(asyncio.Protocol):
    """One client: requests may come in pieces, or several at once."""

    def __init__(self, slots: Mapping[int, Slot]) -> None:
        self._slots, self._left = slots, b""
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        """Answer every whole request; what is no Modbus TCP closes the connection."""
        self._left += data
        answers = []
        while len(self._left) >= _HEADER.size + 1:
            transaction, protocol, length, unit = _HEADER.unpack_from(self._left)
            if protocol != 0 or not 2 <= length <= 254:  # noqa: PLR2004 - the standard's bounds
                self._close()
                return
            if len(self._left) < 6 + length:
                break
            request, self._left = self._left[7 : 6 + length], self._left[6 + length :]
            found = answer(self._slots, unit, request)
            if found is not None:
                answers.append(_HEADER.pack(transaction, 0, len(found) + 1, unit) + found)
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def serve(slots: Mapping[int, Slot], host: str, port: int) -> asyncio.Server:
    """Serve a bus; port 0 takes a free one. OSError: the port is taken."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Connection(slots), host, port)
