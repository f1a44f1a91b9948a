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

from simulators.slots import Line, Slot, Spoilt

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_SUCH_UNIT = 1, 2, 3, 11
_MOST = {1: 2000, 2: 2000, 3: 125, 4: 125}
_HEADER = struct.Struct(">HHHB")
_READ = struct.Struct(">BHH")
LATE_S = 2.5  # after every time-out that the profiles name


def answer(slots: Mapping[int, Slot], unit: int, request: bytes) -> bytes | None:
    """Return the answer to a request (both without header); None where the unit is silent."""
    slot = slots.get(unit)
    if slot is None:
        return bytes([request[0] | 0x80, NO_SUCH_UNIT])
    if slot.silent or slot.dead:
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

    def __init__(self, slots: Mapping[int, Slot], line: Line) -> None:
        self._slots, self._line, self._left = slots, line, b""
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
                whole = _HEADER.pack(transaction, 0, len(found) + 1, unit) + found
                answers.append(self._passed(whole))
        self._write(b"".join(answers))

    def _passed(self, whole: bytes) -> bytes:
        """Return what of an answer leaves at once; a slow device or the line may hold it back."""
        unit = whole[6]
        delay_s = self._slots[unit].delay_ms / 1000 if unit in self._slots else 0.0
        how = self._line.spoil()
        if how is not None:
            whole, delay_s = spoilt(how, whole), delay_s + (how == "late") * LATE_S
        if delay_s == 0:
            return whole
        asyncio.get_running_loop().call_later(delay_s, self._write, whole)
        return b""

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def spoilt(how: Spoilt, whole: bytes) -> bytes:
    """Return what a noisy line makes of an answer."""
    transaction, _, _, unit = _HEADER.unpack_from(whole)
    body = whole[_HEADER.size :]
    match how:
        case "lost":
            return b""
        case "late":
            return whole
        case "short":  # a frame that ends early; its length agrees, its byte count does not
            body = body[: max(1, len(body) // 2)]
        case "foreign":
            transaction ^= 0x5555
        case "gateway":
            body = bytes([body[0] | 0x80, NO_SUCH_UNIT])
    return _HEADER.pack(transaction, 0, len(body) + 1, unit) + body


async def serve(
    slots: Mapping[int, Slot], host: str, port: int, line: Line | None = None
) -> asyncio.Server:
    """Serve a bus; port 0 takes a free one, no line is one without noise. OSError: taken."""
    loop, quiet = asyncio.get_running_loop(), line or Line()
    return await loop.create_server(lambda: _Connection(slots, quiet), host, port)
