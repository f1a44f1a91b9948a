"""A TCP proxy that breaks lines on purpose: a mode, and any of the faults of faults.py together.

forward: carries. cut: every line is reset, and each new one as soon as it is made. stall: lines
stay open and carry nothing either way; what was sent meanwhile waits in the buffers and arrives
after `forward`, as after a hole in a mobile network.

Faults hold for old lines and new ones. Half-open is for good: a line that was open meanwhile never
carries anything again and tells neither end, as when a router forgot it; only new ones do.
"""

import asyncio
import contextlib
import socket
import struct
from random import Random
from typing import Literal, TypeAlias

from simulators.faults import Fate, Faults, fate, passage
from watchkeeper.errors import NotPossible

Mode: TypeAlias = Literal["forward", "cut", "stall"]
CHUNK = 4_096
_MOST_WAITING = 1_024  # chunks of one way; then the sender has to wait


class FaultProxy:
    """One listening port, forwarded to one address."""

    def __init__(self, host: str, port: int, chance: Random | None = None) -> None:
        """Say where connections are forwarded to; all that happens by chance follows `chance`."""
        self._to = (host, port)
        self.chance = chance or Random(0)  # noqa: S311 - a simulation, not a secret
        self.open = asyncio.Event()
        self.open.set()
        self._lines: set[_Line] = set()
        self._server: asyncio.Server | None = None
        self.mode: Mode = "forward"
        self.faults = Faults()

    @property
    def port(self) -> int:
        """Return the port one connects to, 0 before `listen`."""
        return self._server.sockets[0].getsockname()[1] if self._server else 0

    async def listen(self, port: int = 0) -> None:
        """Open the port on 127.0.0.1; 0 takes a free one."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)

    def switch(self, mode: Mode, faults: Faults | None = None) -> None:
        """Change what happens to every line, old and new; no faults: there are none any more.

        A cut closes at once.
        """
        self.mode, self.faults = mode, faults or Faults()
        if mode == "stall":
            self.open.clear()
        else:
            self.open.set()
        for line in list(self._lines):
            line.dead = line.dead or self.faults.half_open
            if mode == "cut":
                line.end("reset")

    async def close(self) -> None:
        """Close the port and every connection."""
        self.switch("cut")
        await asyncio.gather(*(line.ended() for line in list(self._lines)))
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "cut":
            reset(writer.transport)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.close()
            return
        line = _Line(self, (reader, far_writer), (far_reader, writer))
        self._lines.add(line)
        self.switch(self.mode, self.faults)  # it may have changed while the far end was reached
        await line.ended()
        line.end("close")
        self._lines.discard(line)


def reset(transport: asyncio.WriteTransport) -> None:
    """End a connection with a reset (RST), not with a polite end (FIN)."""
    with contextlib.suppress(OSError):  # it has ended already
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Line:
    """A connection and the one behind it."""

    def __init__(
        self, proxy: FaultProxy, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        self._proxy = proxy
        self.dead = proxy.faults.half_open
        self._writers = [writer for _, writer in ways]
        self._tasks = [asyncio.create_task(self._carry(*way)) for way in ways]

    async def ended(self) -> None:
        """Wait until neither way carries anything any more."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def end(self, how: Literal["close", "reset"]) -> None:
        """End both ways, politely or with a reset."""
        for writer in self._writers:
            if how == "reset":
                reset(writer.transport)
            else:
                writer.close()
        for task in self._tasks:
            task.cancel()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Carry one way until it ends."""
        waiting: asyncio.Queue[tuple[float, Fate] | None] = asyncio.Queue(_MOST_WAITING)
        sending = asyncio.create_task(self._send(waiting, target))
        try:
            with contextlib.suppress(OSError):  # one end is gone; the other is told
                await self._gather(source, waiting)
            await waiting.put(None)
            await sending
        finally:
            sending.cancel()
            if not self.dead:
                target.close()

    async def _gather(
        self, source: asyncio.StreamReader, waiting: "asyncio.Queue[tuple[float, Fate] | None]"
    ) -> None:
        """Take chunks as they come and say when each is due; of a dead line, nothing."""
        loop, due = asyncio.get_running_loop(), 0.0
        while chunk := await source.read(CHUNK):
            if self.dead:
                continue
            becomes = fate(self._proxy.faults, chunk, self._proxy.chance)
            due = max(due, loop.time() + becomes.wait_s)
            await waiting.put((due, becomes))

    async def _send(
        self, waiting: "asyncio.Queue[tuple[float, Fate] | None]", target: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # the end is gone; who reads from it tells
            while (item := await waiting.get()) is not None:
                due, becomes = item
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                await self._put(becomes.data, target)
                if becomes.end and not self.dead:
                    self.end(becomes.end)

    async def _put(self, data: bytes, target: asyncio.StreamWriter) -> None:
        """Send as fast as the line is now; a throttle may come and go meanwhile."""
        await self._proxy.open.wait()
        while data:
            size, busy_s = passage(len(data), self._proxy.faults.throttle_bps)
            if busy_s:
                await asyncio.sleep(busy_s)
            if self.dead:
                return
            target.write(data[:size])
            await target.drain()
            data = data[size:]


class Proxies:
    """The proxies of this process, by name."""

    def __init__(self, seed: int = 0) -> None:
        """Take the seed all chance follows from."""
        self._known: dict[str, FaultProxy] = {}
        self._seed = seed

    async def get(self, name: str, to: str, listen: int) -> FaultProxy:
        """Return the proxy of this name, opened where new. NotPossible: `to` is no address."""
        if name not in self._known:
            host, _, port = to.rpartition(":")
            if not host or not port.isdecimal():
                raise NotPossible("simulators.no-address", to=to)
            chance = Random(f"{self._seed}:{name}")  # noqa: S311 - a simulation, not a secret
            proxy = FaultProxy(host, int(port), chance)
            await proxy.listen(listen)
            self._known[name] = proxy
        return self._known[name]

    async def close(self) -> None:
        """Close them all."""
        for proxy in self._known.values():
            await proxy.close()
