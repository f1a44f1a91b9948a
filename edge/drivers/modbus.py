"""Modbus TCP on pymodbus: one connection with one owner, who alone may ask, one request at a time.

pymodbus keeps running: its retries would reuse a transaction number, so they are off, and whatever
was not a right answer (time-out, other unit, other length, other transaction) ends the connection:
a late reply can then never be taken for the next one. Answers stay bytes: decoding is vectorised.
Only functions 1 to 4 exist here, so the edge cannot write to a device.
"""

from dataclasses import dataclass
from typing import Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
)
from typing_extensions import override

from edge.plan import Block

CONNECT_S: Final = 3.0
_BEHIND_GATEWAY: Final = frozenset({0x0A, 0x0B})  # a gateway says: the device does not answer


class LineDown(Exception):  # noqa: N818 - a word of the trade: "the line is down"
    """No connection to the bus: all its units are out of reach."""


class NoAnswer(Exception):  # noqa: N818 - likewise
    """This unit did not answer, or not rightly."""


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


class Line:
    """The connection to one bus."""

    def __init__(self, host: str, port: int) -> None:
        """Name the bus; connects with the first read."""
        self.host, self.port = host, port
        self._client: AsyncModbusTcpClient | None = None
        # Transaction numbers go on over connections: a gateway may send a late answer on the next.
        self._transaction = 0

    async def read(self, asked: Request) -> bytes:
        """Return the values of the answer as on the wire.

        Raises:
            LineDown: There is no connection and none could be made.
            NoAnswer: Nothing, or nothing right, came within the unit's time-out.
            Refused: The unit said no.
        """
        client = self._client or await self._opened()
        client.ctx.comm_params.timeout_connect = asked.timeout_s
        try:
            answer = await client.ctx.execute(False, asked.pdu)  # noqa: FBT003 - pymodbus' own
        except ModbusException as error:
            self.close()
            raise NoAnswer(str(error)) from None
        if (
            answer.dev_id != asked.unit
            or answer.transaction_id != asked.pdu.transaction_id
            or answer.function_code & 0x7F != asked.function
        ):
            self.close()
            raise NoAnswer("the answer of another question")
        if isinstance(answer, ExceptionResponse):
            if answer.exception_code in _BEHIND_GATEWAY:
                raise NoAnswer(f"gateway: exception {answer.exception_code}")
            raise Refused(answer.exception_code)
        if not isinstance(answer, _Bytes) or len(answer.values) != asked.size:
            self.close()
            raise NoAnswer("an answer of another length")
        return answer.values

    def close(self) -> None:
        """Hang up; the next read connects again."""
        client, self._client = self._client, None
        if client is not None:
            self._transaction = client.ctx.next_tid
            client.close()

    async def _opened(self) -> AsyncModbusTcpClient:
        client = AsyncModbusTcpClient(
            self.host,
            port=self.port,
            timeout=CONNECT_S,
            retries=0,
            reconnect_delay=0,
            trace_connect=lambda connected: None if connected else self._lost(client),
        )
        for answer in (_Coils, _Inputs, _Holding, _InputRegisters):
            client.register(answer)
        if not await client.connect():
            client.close()
            raise LineDown(f"{self.host}:{self.port}")
        client.ctx.next_tid = self._transaction
        self._client = client
        return client

    def _lost(self, client: AsyncModbusTcpClient) -> None:
        """Tell the read under way at once; pymodbus would let it wait for its time-out."""
        if client is self._client:
            self._client, self._transaction = None, client.ctx.next_tid
        if not client.ctx.response_future.done():
            client.ctx.response_future.set_exception(ConnectionException("connection lost"))
            client.ctx.response_future.exception()  # seen, even when nobody waits for it
