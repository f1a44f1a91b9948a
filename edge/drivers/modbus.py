"""Modbus on pymodbus: one connection with one owner, who alone may ask, one request at a time.

Three connections: Modbus TCP, a serial line, and RTU frames over TCP (a serial server that passes
them through). RTU has no transaction numbers: there a late answer is told by its unit, function
and length alone, so after a miss the line is closed and what it still held is thrown away.

pymodbus keeps running: its retries would reuse a transaction number, so they are off, and whatever
was not a right answer (time-out, other unit, other length, other transaction) ends the connection:
a late reply can then never be taken for the next one. Answers stay bytes: decoding is vectorised.
Only functions 1 to 4 exist here, and 5 for the one coil a site file may name (edge/alone.py).
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, cast

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
    WriteSingleCoilRequest,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
)
from pymodbus.transport import CommParams, CommType
from typing_extensions import override

from edge.drivers import modbus_serial
from edge.plan import Block, gap_s, transmission_s
from watchkeeper.site import Bus, ModbusRtu, ModbusRtuTcp, ModbusTcp

Where: TypeAlias = ModbusTcp | ModbusRtu | ModbusRtuTcp

CONNECT_S: Final = 3.0
_BEHIND_GATEWAY: Final = frozenset({0x0A, 0x0B})  # a gateway says: the device does not answer


class LineDown(Exception):  # noqa: N818 - a word of the trade: "the line is down"
    """No connection to the bus: all its units are out of reach."""


class NoAnswer(Exception):  # noqa: N818 - likewise
    """This unit did not answer, or not rightly."""


class Broken(NoAnswer):
    """The connection ended, or what came was plainly wrong: known before the time-out.

    It says little of the unit; the next question goes over a new connection.
    """


class Refused(Exception):  # noqa: N818 - likewise
    """The unit answered with a Modbus exception."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Bytes(ModbusPDU):
    """An answer whose values stay as they came."""

    values = b""

    @override
    def decode(self, data: bytes) -> None:
        if len(data) == data[0] + 1:
            self.values = data[1:]

    @override
    def __str__(self) -> str:
        """Return little: pymodbus asks for it with every answer, for a log nobody reads."""
        return ""


class _Coils(_Bytes, ReadCoilsResponse):
    """Function 1."""


class _Inputs(_Bytes, ReadDiscreteInputsResponse):
    """Function 2."""


class _Written(_Bytes, WriteSingleCoilResponse):
    """Function 5: the question comes back."""

    @override
    def decode(self, data: bytes) -> None:
        self.values = data


class _Holding(_Bytes, ReadHoldingRegistersResponse):
    """Function 3."""


class _InputRegisters(_Bytes, ReadInputRegistersResponse):
    """Function 4."""


_REQUESTS: Final[dict[int, type[ModbusPDU]]] = {
    1: ReadCoilsRequest,
    2: ReadDiscreteInputsRequest,
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}


@dataclass(frozen=True, slots=True)
class Request:
    """A read that is asked for again and again."""

    pdu: ModbusPDU
    unit: int
    function: int
    size: int  # bytes of a right answer
    timeout_s: float


def request(unit: int, block: Block, timeout_s: float) -> Request:
    """Return the request for a block of a unit."""
    pdu = _REQUESTS[block.function](address=block.address, count=block.count, dev_id=unit)
    return Request(pdu, unit, block.function, block.size, timeout_s)


def write_coil(unit: int, address: int, timeout_s: float, *, on: bool) -> Request:
    """Return the request that switches a coil."""
    pdu = WriteSingleCoilRequest(address=address, bits=[on], dev_id=unit)
    return Request(pdu, unit, pdu.function_code, 4, timeout_s)


def _are_frames(data: bytes) -> bool:
    """Return whether what came after an answer is whole Modbus TCP frames, as a repeated answer is.

    If it is not, the answer may have been cut short and filled up from the next one: Modbus TCP has
    no checksum that would tell. After an RTU answer nothing is left.
    """
    while data:
        end = 6 + int.from_bytes(data[4:6], "big")
        if len(data) < max(end, 8) or data[2:4] != b"\0\0":
            return False
        data = data[end:]
    return True


def line_of(bus: Bus) -> "Line":
    """Return the line of a Modbus bus; ValueError: it is of another kind."""
    where = bus.modbus_tcp or bus.modbus_rtu or bus.modbus_rtu_tcp
    if where is None:
        raise ValueError(f"bus {bus.id} is no Modbus bus")
    return Line(where, bus.id)


class Line:
    """The connection to one bus."""

    def __init__(self, where: Where, name: str = "") -> None:
        """Say where the bus is; connects with the first read."""
        self.where = where
        self._address = where.port if isinstance(where, ModbusRtu) else f"{where.host}:{where.port}"
        self.name = name or self._address
        self._gap_s = gap_s(where) if isinstance(where, ModbusRtu) else 0.0
        self._quiet = 0.0  # when the line has been quiet for long enough, by the loop's clock
        self._client: ModbusBaseClient | None = None
        # Transaction numbers go on over connections: a gateway may send a late answer on the next.
        self._transaction = 0

    async def read(self, asked: Request) -> bytes:
        """Return the values of the answer as on the wire.

        Raises:
            LineDown: There is no connection and none could be made.
            NoAnswer: Nothing, or nothing right, came within the unit's time-out (Broken: known
                before it).
            Refused: The unit said no.
        """
        client = self._client or await self._opened()
        answer = await self._asked(client, asked)
        if isinstance(answer, ExceptionResponse):
            if answer.exception_code in _BEHIND_GATEWAY:
                raise NoAnswer(f"gateway: exception {answer.exception_code}")
            raise Refused(answer.exception_code)
        if not isinstance(answer, _Bytes) or len(answer.values) != asked.size:
            raise self._broken("an answer of another length")
        if not _are_frames(client.ctx.recv_buffer):
            raise self._broken("more than an answer")
        return answer.values

    async def _asked(self, client: ModbusBaseClient, asked: Request) -> ModbusPDU:
        """Return the answer to this very question, whatever it says."""
        client.ctx.comm_params.timeout_connect = asked.timeout_s
        if self._gap_s:
            await self._on_serial(client, asked)
        try:
            answer = await client.ctx.execute(False, asked.pdu)  # noqa: FBT003 - pymodbus' own
        except ConnectionException as error:
            raise self._broken(str(error)) from None
        except ModbusException as error:
            self.close()
            raise NoAnswer(str(error)) from None
        finally:
            if self._gap_s:
                self._quiet = asyncio.get_running_loop().time() + self._gap_s
        if (
            answer.dev_id != asked.unit
            or answer.transaction_id != asked.pdu.transaction_id
            or answer.function_code & 0x7F != asked.function
        ):
            raise self._broken("the answer of another question")
        return answer

    def _broken(self, why: str) -> Broken:
        """Hang up; return what to raise."""
        self.close()
        return Broken(why)

    def close(self) -> None:
        """Hang up; the next read connects again."""
        client, self._client = self._client, None
        if client is not None:
            self._transaction = client.ctx.next_tid
            client.close()

    async def _on_serial(self, client: ModbusBaseClient, asked: Request) -> None:
        """Leave the silence between frames; the time-out counts from the last byte sent."""
        client.ctx.comm_params.timeout_connect += transmission_s(self.where, asked.size)
        pause = self._quiet - asyncio.get_running_loop().time()
        if pause > 0:
            await asyncio.sleep(pause)

    async def _opened(self) -> ModbusBaseClient:
        client = self._made()
        for answer in (_Coils, _Inputs, _Holding, _InputRegisters, _Written):
            client.register(answer)
        if not await client.connect():
            client.close()
            raise LineDown(self._address)
        client.ctx.next_tid = self._transaction
        self._client = client
        return client

    def _made(self) -> ModbusBaseClient:
        where = self.where
        client: ModbusBaseClient

        def connected(up: bool) -> None:  # noqa: FBT001 - pymodbus calls it so
            if not up:
                self._lost(client)

        if isinstance(where, ModbusRtu):
            wanted = CommParams(
                comm_name=self.name, comm_type=CommType.SERIAL, timeout_connect=CONNECT_S
            )
            client = ModbusBaseClient(FramerType.RTU, 0, wanted, None, None, connected)
            protocol = cast("asyncio.Protocol", client.ctx)
            client.ctx.call_create = partial(modbus_serial.connect, where, lambda: protocol)
            return client
        client = AsyncModbusTcpClient(
            where.host,
            framer=FramerType.SOCKET if isinstance(where, ModbusTcp) else FramerType.RTU,
            port=where.port,
            timeout=CONNECT_S,
            retries=0,
            reconnect_delay=0,
            trace_connect=connected,
        )
        return client

    def _lost(self, client: ModbusBaseClient) -> None:
        """Tell the read under way at once; pymodbus would let it wait for its time-out."""
        if client is self._client:
            self._client, self._transaction = None, client.ctx.next_tid
        if not client.ctx.response_future.done():
            client.ctx.response_future.set_exception(ConnectionException("connection lost"))
            client.ctx.response_future.exception()  # seen, even when nobody waits for it
