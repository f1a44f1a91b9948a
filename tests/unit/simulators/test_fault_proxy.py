import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from simulators.fault_proxy import FaultProxy
from simulators.faults import Faults
from tests.fakes_modbus import until

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionResetError):
        while data := await reader.read(100):
            writer.write(data)
    writer.close()


async def closed(server: asyncio.Server) -> None:
    """Close it, and let its connections come to their end."""
    server.close()
    await server.wait_closed()
    me = asyncio.current_task()
    await asyncio.wait_for(asyncio.gather(*(asyncio.all_tasks() - {me})), 5)


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    made = FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1])
    await made.listen()
    yield made
    await made.close()
    await closed(server)


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


async def timed(line: Line, words: bytes) -> tuple[bytes, float]:
    """Return what came back, and after how long, s."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    line[1].write(words)
    return await asyncio.wait_for(line[0].readexactly(len(words)), 5), loop.time() - begun


async def silent(line: Line) -> bool:
    """Return whether nothing comes, not even an end."""
    try:
        await asyncio.wait_for(line[0].read(100), 0.2)
    except TimeoutError:
        return True
    return False


async def test_a_delayed_line_takes_its_time_both_ways(proxy: FaultProxy) -> None:
    line = await connect(proxy)
    proxy.switch("forward", Faults(delay_s=0.1, jitter_s=0.02))
    answer, took_s = await timed(line, b"one")
    assert (answer, took_s >= 0.2) == (b"one", True)
    proxy.switch("forward")
    assert await said(line, b"two") == b"two"
    line[1].close()


async def test_jitter_keeps_the_order(proxy: FaultProxy) -> None:
    line = await connect(proxy)
    proxy.switch("forward", Faults(jitter_s=0.05))
    for number in range(20):
        line[1].write(bytes([number]))
        await line[1].drain()
    assert await asyncio.wait_for(line[0].readexactly(20), 5) == bytes(range(20))
    line[1].close()


async def test_lost_bytes_are_gone_and_the_stream_goes_on(proxy: FaultProxy) -> None:
    line = await connect(proxy)
    proxy.switch("forward", Faults(loss=1))
    line[1].write(b"one")
    assert await silent(line)
    proxy.switch("forward")
    assert await said(line, b"two") == b"two"
    line[1].close()


async def test_a_half_open_line_tells_neither_end_ever(proxy: FaultProxy) -> None:
    old = await connect(proxy)
    assert await said(old, b"one") == b"one"
    proxy.switch("forward", Faults(half_open=True))
    young = await connect(proxy)
    for line in (old, young):
        line[1].write(b"two")
        assert await silent(line)
    proxy.switch("forward")
    for line in (old, young):
        line[1].write(b"three")
        assert await silent(line)
        line[1].close()
    new = await connect(proxy)
    assert await said(new, b"four") == b"four"
    new[1].close()


class Ear:
    """The far end: notes all that comes, and a polite end as nothing."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            while data := await reader.read(100):
                self.heard.append(data)
            self.heard.append(b"")
        writer.close()


@pytest.fixture
async def ear() -> AsyncIterator[tuple[Ear, FaultProxy]]:
    made = Ear()
    server = await asyncio.start_server(made.listen, "127.0.0.1", 0)
    proxy = FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1])
    await proxy.listen()
    yield made, proxy
    await proxy.close()
    await closed(server)


async def test_the_far_end_of_a_half_open_line_hears_of_no_end(
    ear: tuple[Ear, FaultProxy],
) -> None:
    far, proxy = ear
    line = await connect(proxy)
    line[1].write(b"one")
    await until(lambda: far.heard == [b"one"])
    proxy.switch("forward", Faults(half_open=True))
    line[1].close()
    await line[1].wait_closed()
    proxy.switch("forward")
    new = await connect(proxy)
    new[1].write(b"two")
    await until(lambda: b"two" in far.heard)
    assert far.heard == [b"one", b"two"]
    new[1].close()


async def test_a_delayed_end_comes_after_what_was_said(ear: tuple[Ear, FaultProxy]) -> None:
    far, proxy = ear
    proxy.switch("forward", Faults(delay_s=0.05))
    line = await connect(proxy)
    line[1].write(b"one")
    line[1].close()
    await until(lambda: far.heard == [b"one", b""])


async def test_a_reset_is_no_polite_end(proxy: FaultProxy) -> None:
    line = await connect(proxy)
    proxy.switch("forward", Faults(reset=1))
    line[1].write(b"one")
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(line[0].read(), 5)
    line[1].close()


async def test_a_throttled_line_takes_the_time_its_bits_take(proxy: FaultProxy) -> None:
    line = await connect(proxy)
    proxy.switch("forward", Faults(throttle_bps=16_000))
    answer, took_s = await timed(line, bytes(400))
    assert (answer, took_s >= 0.2) == (bytes(400), True)
    line[1].close()


async def test_the_throttle_may_be_opened_while_something_is_on_its_way(proxy: FaultProxy) -> None:
    line = await connect(proxy)
    proxy.switch("forward", Faults(throttle_bps=8_000))
    line[1].write(bytes(4_000))
    await asyncio.wait_for(line[0].readexactly(1), 5)
    proxy.switch("forward")
    assert await asyncio.wait_for(line[0].readexactly(3_999), 2) == bytes(3_999)
    line[1].close()


async def test_a_line_is_cut_in_the_middle_of_what_is_said(proxy: FaultProxy) -> None:
    line = await connect(proxy)
    heard = []
    for _ in range(20):
        proxy.switch("forward")
        assert await said(line, b"one") == b"one"
        proxy.switch("forward", Faults(cut_mid=1))
        line[1].write(b"a whole sentence")
        with suppress(ConnectionResetError):
            heard.append(await asyncio.wait_for(line[0].read(), 5))
        line[1].close()
        line = await connect(proxy)
    line[1].close()
    assert all(len(each) < 16 and b"a whole sentence".startswith(each) for each in heard)


async def test_flipped_bits_come_as_many_bytes_as_were_sent(proxy: FaultProxy) -> None:
    line = await connect(proxy)
    proxy.switch("forward", Faults(flip=1))
    answer, _ = await timed(line, bytes(50))
    assert answer != bytes(50)
    line[1].close()
