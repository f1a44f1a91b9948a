"""A TCP proxy that breaks lines on purpose: forward, cut (closed and refused), stall (silent).

A stalled line stays open and carries nothing in either direction; what was sent meanwhile waits in
the buffers and arrives after `forward`, as after a hole in a mobile network. A cut line is reset,
and so is every new connection as soon as it is made.
"""

import asyncio
from typing import Literal, TypeAlias

from watchkeeper.errors import NotPossible

Mode: TypeAlias = Literal["forward", "cut", "stall"]
CHUNK = 65_536


class FaultProxy:
    """One listening port, forwarded to one address."""

    def __init__(self, host: str, port: int) -> None:
        """Say where connections are forwarded to."""
        self._to = (host, port)
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.mode: Mode = "forward"

    @property
    def port(self) -> int:
        """Return the port one connects to, 0 before `listen`."""
        return self._server.sockets[0].getsockname()[1] if self._server else 0

    async def listen(self, port: int = 0) -> None:
        """Open the port on 127.0.0.1; 0 takes a free one."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)

    def switch(self, mode: Mode) -> None:
        """Change what happens to every connection, old and new. A cut closes at once."""
        self.mode = mode
        if mode == "stall":
            self._open.clear()
        else:
            self._open.set()
        if mode == "cut":
            for writer in list(self._writers):
                writer.transport.abort()

    async def close(self) -> None:
        """Close the port and every connection."""
        self.switch("cut")
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "cut":
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            self._drop(writer)
            return
        self._writers.add(far_writer)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Carry one direction until it ends."""
        try:
            while data := await source.read(CHUNK):
                await self._open.wait()
                target.write(data)
                await target.drain()
        except OSError:
            return  # one end is gone; the finally tells the other
        finally:
            self._drop(target)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()


class Proxies:
    """The proxies of this process, by name."""

    def __init__(self) -> None:
        self._known: dict[str, FaultProxy] = {}

    async def get(self, name: str, to: str, listen: int) -> FaultProxy:
        """Return the proxy of this name, opened where new. NotPossible: `to` is no address."""
        if name not in self._known:
            host, _, port = to.rpartition(":")
            if not host or not port.isdecimal():
                raise NotPossible("simulators.no-address", to=to)
            proxy = FaultProxy(host, int(port))
            await proxy.listen(listen)
            self._known[name] = proxy
        return self._known[name]

    async def close(self) -> None:
        """Close them all."""
        for proxy in self._known.values():
            await proxy.close()
