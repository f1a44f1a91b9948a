import asyncio
from pathlib import Path

from adapters import machine
from edge.drivers.modbus import NoAnswer, line_of, request
from edge.health import Bus, Health, Metered, exposed, serve
from edge.journal import Journal
from edge.keep import Keeper
from edge.plan import Block
from edge.rows import Row
from tests.fakes import FixedClock
from tests.fakes_modbus import FakeDevice, listening
from watchkeeper import site
from watchkeeper.clock import unix_ms

BLOCK = Block("normal", 3, 0, 1, ())


def keepers(folder: Path) -> list[Keeper]:
    return [
        Keeper(Journal(folder / f"{name}.db", lambda: "j", may_shed=name == "data"), period_s=0)
        for name in ("event", "data")
    ]


async def test_tells_journals_buses_and_errors_by_unit(tmp_path: Path) -> None:
    device, clock = FakeDevice(), FixedClock()
    device.put(1, 0, 5)
    used = [(1.0, 5e6)]
    health = Health(keepers(tmp_path), clock, lambda: used[0])
    journal = health._keepers[1].journal  # noqa: SLF001
    journal.commit([Row(0, "h", "live", unix_ms(clock.now()) - 3_000, b"x")])
    async with listening(device) as port:
        where = line_of(site.Bus("lan", site.ModbusTcp("127.0.0.1", port))).where
        line = Metered(where, clock)
        health.buses["lan"] = Bus(line, {1: "meter", 2: "lift"})
        await line.read(request(1, BLOCK, 0.5))
        device.silent.add(2)
        for _ in range(2):
            try:
                await line.read(request(2, BLOCK, 0.05))
            except NoAnswer:
                continue
        line.close()
    line.busy_s = 2.5
    clock.pass_(10)
    used[0] = (3.0, 6e6)
    await health.look()

    told = health.values()

    assert (told["cpu_share"], told["memory_bytes"], told["bus_load/lan"]) == (0.2, 6e6, 0.25)
    assert {key: value for key, value in told.items() if "errors" in key} == {"errors/lift": 2.0}
    assert told["data_journal_age_s"] == 13.0
    assert told["event_journal_age_s"] == 0.0
    assert 0 < told["data_journal_bytes"] < 1e6
    for keeper in health._keepers:  # noqa: SLF001
        await keeper.close()


def test_prometheus_gets_a_family_a_figure_and_a_label_a_unit() -> None:
    text = exposed({"errors/lift-1": 2.0, "errors/a": 1.0, "cpu_share": 0.25}, {"lift-1": 1.5})

    assert text.splitlines() == [
        "# TYPE watchkeeper_edge_cpu_share gauge",
        "watchkeeper_edge_cpu_share 0.25",
        "# TYPE watchkeeper_edge_errors gauge",
        'watchkeeper_edge_errors{of="lift-1"} 2',
        'watchkeeper_edge_errors{of="a"} 1',
        "# TYPE watchkeeper_edge_unit_age_s gauge",
        'watchkeeper_edge_unit_age_s{of="lift-1"} 1.5',
    ]


async def test_metrics_are_served_and_nothing_else() -> None:
    server = await serve(lambda: "wk 1\n", 0)
    port = server.sockets[0].getsockname()[1]

    async def got(asked: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        try:
            return await reader.read()
        finally:
            writer.close()

    found = await got(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 200 OK")
    assert found.endswith(b"\r\n\r\nwk 1\n")
    assert b"404" in await got(b"GET / HTTP/1.1\r\n\r\n")
    assert b"404" in await got(b"POST /metrics HTTP/1.1\r\n\r\n")
    assert await got(b"x" * 20_000) == b""
    server.close()


def test_the_machine_says_what_we_use_and_whether_its_clock_is_right() -> None:
    assert machine.cpu_s() > 0
    assert machine.memory_bytes() > 1 << 20
    assert machine.clock_synchronised() in {True, False, None}
