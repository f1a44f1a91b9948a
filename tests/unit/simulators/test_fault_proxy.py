import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from simulators.fault_proxy import FaultProxy

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    made = FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1])
    await made.listen()
    yield made
    await made.close()
    server.close()
    await server.wait_closed()


async def said(line: Line, words: bytes) -> bytes:
    line[1].write(words)
    return await asyncio.wait_for(line[0].read(100), 5)


async def connect(proxy: FaultProxy) -> Line:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


@pytest.mark.serves("A10")
async def test_a_cut_line_is_dead_and_new_ones_too_until_it_is_restored(proxy: FaultProxy) -> None:
    line = await connect(proxy)
    assert await said(line, b"one") == b"one"
    proxy.switch("cut")
    for dead in (line, await connect(proxy)):
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(dead[0].read(), 5) == b""
        dead[1].close()
    proxy.switch("forward")
    again = await connect(proxy)
    assert await said(again, b"two") == b"two"
    again[1].close()


async def test_a_stalled_line_says_nothing_and_loses_nothing(proxy: FaultProxy) -> None:
    line = await connect(proxy)
    assert await said(line, b"one") == b"one"
    proxy.switch("stall")
    line[1].write(b"two")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line[0].read(100), 0.2)
    proxy.switch("forward")
    assert await asyncio.wait_for(line[0].read(100), 5) == b"two"
    line[1].close()


async def test_nobody_behind_it_closes_the_line() -> None:
    free = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = free.sockets[0].getsockname()[1]
    free.close()
    await free.wait_closed()
    proxy = FaultProxy("127.0.0.1", port)
    await proxy.listen()
    reader, writer = await connect(proxy)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await proxy.close()
