"""RTU devices that a test holds in its hands, on a pseudo-terminal pair or behind a TCP port."""

import asyncio
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pymodbus.framer.rtu import FramerRTU

from tests.fakes_modbus import FakeDevice
from watchkeeper.site import ModbusRtu

_REQUEST = 8  # bytes: unit, function, address, count, checksum


def rtu(frame: bytes) -> bytes:
    """Return a frame with its checksum."""
    return frame + FramerRTU.compute_CRC(frame).to_bytes(2, "big")


class Responder:
    """Answers RTU requests from the registers of a FakeDevice, whose `trouble` sees RTU frames."""

    def __init__(self, device: FakeDevice, write: Callable[[bytes], None]) -> None:
        self._device, self._write, self._gathered = device, write, b""

    def received(self, data: bytes) -> None:
        """Take bytes; answer each request that is whole and right."""
        self._gathered += data
        while len(self._gathered) >= _REQUEST:
            question, self._gathered = self._gathered[:_REQUEST], self._gathered[_REQUEST:]
            assert rtu(question[:6]) == question
            self._answer(question)

    def _answer(self, question: bytes) -> None:
        device = self._device
        unit, function, address, count = struct.unpack(">BBHH", question[:6])
        device.asked.append((unit, function, address, count))
        if unit in device.silent:
            return
        right = rtu(bytes([unit]) + device.body(unit, function, address, count))
        answer = device.trouble(question, right) if device.trouble else right
        if answer is not None:
            self._write(answer)


@asynccontextmanager
async def on_serial(device: FakeDevice) -> AsyncIterator[ModbusRtu]:
    """Serve the device on one end of a pseudo-terminal; give the other."""
    near, far = os.openpty()
    tty.setraw(near)
    path = os.ttyname(far)
    responder = Responder(device, lambda answer: void(os.write(near, answer)))
    loop = asyncio.get_running_loop()
    loop.add_reader(near, lambda: responder.received(os.read(near, 1024)))
    try:
        yield ModbusRtu(path, 115200)
    finally:
        loop.remove_reader(near)
        os.close(near)
        os.close(far)


def void(_: object) -> None:
    """Take what nobody needs."""


@asynccontextmanager
async def over_tcp(device: FakeDevice) -> AsyncIterator[int]:
    """Serve the device behind a serial server on loopback; give the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        device.connections += 1
        responder = Responder(device, writer.write)
        try:
            while data := await reader.read(1024):
                responder.received(data)
        except (ConnectionError, asyncio.CancelledError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
