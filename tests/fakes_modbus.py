"""A Modbus TCP device that a test holds in its hands: right answers, and all the wrong ones."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Answer = bytes | None  # the whole frame; None: silence


class FakeDevice:
    """Units with registers; `trouble` may change or withhold an answer."""

    def __init__(self) -> None:
        self.registers: dict[tuple[int, int, int], int] = {}  # unit, function, address
        self.silent: set[int] = set()  # units that do not answer
        self.trouble: Callable[[bytes, bytes], Answer] | None = None  # question, right answer
        self.asked: list[tuple[int, int, int, int]] = []  # unit, function, address, count
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []

    def put(self, unit: int, address: int, *registers: int, function: int = 3) -> None:
        """Set registers (or coils) of a unit; those never set are illegal to ask for."""
        for offset, register in enumerate(registers):
            self.registers[unit, function, address + offset] = register

    def hang_up(self) -> None:
        """End all connections."""
        for writer in self._writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                question = await reader.readexactly(12)
                answer = self._answer(question)
                if answer is not None:
                    writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    def _answer(self, question: bytes) -> Answer:
        unit, function, address, count = struct.unpack(">BBHH", question[6:12])
        self.asked.append((unit, function, address, count))
        if unit in self.silent:
            return None
        if function == 5:  # the fourth word is ON or OFF; the question is the answer
            self.registers[unit, 1, address] = int(count == 0xFF00)
            return question
        right = frame(question, self.body(unit, function, address, count))
        return self.trouble(question, right) if self.trouble else right

    def body(self, unit: int, function: int, address: int, count: int) -> bytes:
        """Return a right answer without its frame."""
        try:
            found = [self.registers[unit, function, address + n] for n in range(count)]
        except KeyError:
            return bytes([function | 0x80, 2])
        if function in {1, 2}:
            number = sum(bit << n for n, bit in enumerate(found))
            data = number.to_bytes((count + 7) // 8, "little")
        else:
            data = struct.pack(f">{count}H", *found)
        return bytes([function, len(data)]) + data


def frame(question: bytes, body: bytes) -> bytes:
    """Return the frame of an answer to a question."""
    return question[:4] + struct.pack(">HB", len(body) + 1, question[6]) + body


@asynccontextmanager
async def listening(device: FakeDevice, port: int = 0) -> AsyncIterator[int]:
    """Serve the device on loopback; give the port."""
    server = await asyncio.start_server(device.serve, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        device.hang_up()


async def until(true: Callable[[], bool], deadline_s: float = 15.0) -> None:
    """Let the loop turn until a condition holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(deadline_s):
        while not true():  # noqa: ASYNC110 - the condition is anything a test can see
            await asyncio.sleep(0.005)
