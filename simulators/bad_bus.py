"""A Modbus bus that answers wrongly on purpose: TCP, or RTU frames over TCP. Seeded.

It understands its questions, so it can be wrong in the ways devices and gateways are: late, cut,
of another unit, of another question. What breaks bytes without knowing what they say is the
proxy's work (fault_proxy.py). What no reader of the protocol could tell is not done: RTU has no
transaction numbers, so there an earlier answer is always one of another unit.
"""

import asyncio
import struct
from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct
from typing_extensions import override

from simulators.fault_proxy import reset
from simulators.faults import flipped

Framing: TypeAlias = Literal["tcp", "rtu"]
Kind: TypeAlias = Literal[
    "silence",  # nothing
    "late",  # the right answer after `late_s`, over the newest connection, as gateways do
    "truncated",  # its beginning
    "unit", "function", "length",  # right but for this
    "exception",  # a Modbus exception
    "reset",  # its beginning, then RST
    "dribble",  # right, byte by byte
    "duplicate",  # right, twice
    "earlier",  # the answer of an earlier question
    "transaction",  # TCP: right, but with another transaction number
    "checksum",  # RTU: a burst of bits turned over
]  # fmt: skip
_BOTH: Final[tuple[Kind, ...]] = (
    "silence", "late", "truncated", "unit", "function", "length", "exception", "reset", "dribble",
    "duplicate", "earlier",
)  # fmt: skip
KINDS: Final[dict[Framing, tuple[Kind, ...]]] = {
    "tcp": (*_BOTH, "transaction"),
    "rtu": (*_BOTH, "checksum"),
}
# All but 2 and 3, which say that the registers are not there: those are believed (edge/plan.py).
EXCEPTIONS: Final = (1, 4, 5, 6, 8, 10, 11)
_BYTE_S: Final = 0.001
_AGAIN_S: Final = 0.05
_REMEMBERED: Final = 50  # answers
_HEADER: Final = struct.Struct(">HHHB")
_READ: Final = struct.Struct(">BBHH")


class Trouble(Struct, frozen=True):
    """How bad the bus is: which wrong answers, and to what share of the questions."""

    share: float = 0.0
    kinds: tuple[Kind, ...] = ()
    late_s: float = 0.3


class Asked(NamedTuple):
    """A question."""

    transaction: int  # 0 with RTU
    unit: int
    function: int
    address: int
    registers: int


class Step(NamedTuple):
    """Something the bus does after a while, s."""

    wait_s: float
    data: bytes
    newest: bool = False  # over the newest connection, not over the one that asked
    reset: bool = False  # and then ends the connection


def checksum(data: bytes) -> bytes:
    """Return the two bytes of CRC-16/MODBUS, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return struct.pack("<H", crc)


def frame(framing: Framing, asked: Asked, body: bytes) -> bytes:
    """Return an answer with all that goes around it."""
    if framing == "rtu":
        whole = bytes([asked.unit]) + body
        return whole + checksum(whole)
    return _HEADER.pack(asked.transaction, 0, len(body) + 1, asked.unit) + body


def steps(kind: Kind, framing: Framing, asked: Asked, data: bytes, chance: Random) -> list[Step]:
    """Return a wrong answer; `data` are the registers. `late` and `earlier` the bus knows."""
    body = bytes([asked.function, len(data)]) + data
    right = frame(framing, asked, body)
    found: list[Step] = []
    match kind:
        case "truncated" | "reset":
            found = [Step(0.0, right[: chance.randrange(1, len(right))], reset=kind == "reset")]
        case "dribble":
            found = [Step(n * _BYTE_S, right[n : n + 1]) for n in range(len(right))]
        case "duplicate":
            found = [Step(0.0, right), Step(chance.uniform(0, _AGAIN_S), right)]
        case "checksum":
            found = [Step(0.0, flipped(right, chance))]
        case "unit" | "transaction":
            found = [Step(0.0, frame(framing, _another(kind, asked, chance), body))]
        case "function" | "length" | "exception":
            found = [Step(0.0, frame(framing, asked, _other_body(kind, asked, data, chance)))]
        case "silence" | "late" | "earlier":
            pass
    return found


def _another(kind: Literal["unit", "transaction"], asked: Asked, chance: Random) -> Asked:
    """Return a question that was not asked."""
    if kind == "unit":
        return asked._replace(unit=asked.unit % 247 + 1)
    return asked._replace(transaction=(asked.transaction - chance.randint(1, 9)) & 0xFFFF)


def _other_body(
    kind: Literal["function", "length", "exception"], asked: Asked, data: bytes, chance: Random
) -> bytes:
    if kind == "exception":
        return bytes([asked.function | 0x80, chance.choice(EXCEPTIONS)])
    if kind == "function":
        others = [each for each in (1, 2, 3, 4, 6, 43) if each != asked.function]
        return bytes([chance.choice(others), len(data)]) + data
    size, values = chance.choice([
        (len(data) - 2, data[:-2]),  # a register too few
        (len(data) + 2, data + data[:2]),  # one too many
        (len(data) + 2, data),  # says more than it sends
        (len(data) - 2, data),  # says less
    ])  # fmt: skip
    return bytes([asked.function, size]) + values


class BadBus:
    """One port; all its connections lead to the same units."""

    def __init__(
        self, framing: Framing, registers: Callable[[int, int, int], bytes | None], chance: Random
    ) -> None:
        """Be a right bus until `trouble` is set.

        Args:
            framing: Of its frames.
            registers: What unit, address and so many hold; None: the unit is silent.
            chance: Where all chance comes from.
        """
        self.framing, self.registers, self.chance = framing, registers, chance
        self.trouble = Trouble()
        self.done: Counter[str] = Counter()  # answers, by what was wrong with them; "": nothing
        self.newest: asyncio.Transport | None = None
        self._earlier: deque[tuple[Asked, bytes]] = deque(maxlen=_REMEMBERED)
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.Transport] = set()

    @property
    def port(self) -> int:
        """Return its port, 0 before `listen`."""
        return self._server.sockets[0].getsockname()[1] if self._server else 0

    async def listen(self) -> None:
        """Open a free port on 127.0.0.1."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)

    async def close(self) -> None:
        """Close the port and every connection."""
        for end in list(self._ends):
            end.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def met(self, transport: asyncio.Transport) -> None:
        """Take a new connection."""
        self.newest = transport
        self._ends.add(transport)

    def left(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._ends.discard(transport)

    def answer(self, asked: Asked) -> list[Step]:
        """Return what happens upon a question."""
        data = self.registers(asked.unit, asked.address, asked.registers)
        if data is None:
            return []
        body = bytes([asked.function, len(data)]) + data
        right, trouble = frame(self.framing, asked, body), self.trouble
        kind: Kind | None = None
        if trouble.kinds and self.chance.random() < trouble.share:
            kind = self.chance.choice(trouble.kinds)
        self.done[kind or ""] += 1
        found = self._wrong(kind, asked, data, right) if kind else [Step(0.0, right)]
        self._earlier.append((asked, right))
        return found

    def _wrong(self, kind: Kind, asked: Asked, data: bytes, right: bytes) -> list[Step]:
        if kind == "late":
            wait_s = self.trouble.late_s * self.chance.uniform(0.5, 1.5)
            return [Step(wait_s, right, newest=True)]
        if kind == "earlier":
            others = [
                answer
                for question, answer in self._earlier
                if self.framing == "tcp" or question.unit != asked.unit
            ]
            return [Step(0.0, self.chance.choice(others))] if others else []
        return steps(kind, self.framing, asked, data, self.chance)


class _Connection(asyncio.Protocol):
    """One client: questions may come in pieces, broken, or several at once."""

    def __init__(self, bus: BadBus) -> None:
        self._bus, self._left = bus, b""
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        self._bus.met(transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._bus.left(self._transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._left += data
        loop = asyncio.get_running_loop()
        while (asked := self._question()) is not None:
            for step in self._bus.answer(asked):
                if step.wait_s:
                    loop.call_later(step.wait_s, self._do, step)
                else:
                    self._do(step)

    def _question(self) -> Asked | None:
        """Take the next whole question; what is none is thrown away, as devices do."""
        rtu = self._bus.framing == "rtu"
        size = 8 if rtu else 12
        if len(self._left) < size:
            return None
        whole, self._left = self._left[:size], self._left[size:]
        sound = checksum(whole[:6]) == whole[6:] if rtu else whole[2:6] == b"\0\0\0\6"
        if not sound:
            self._left = b""
            return None
        transaction = 0 if rtu else _HEADER.unpack_from(whole)[0]
        return Asked(transaction, *_READ.unpack(whole[:6] if rtu else whole[6:]))

    def _do(self, step: Step) -> None:
        transport = self._bus.newest if step.newest else self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(step.data)
        if step.reset:
            reset(transport)
