"""The program as it is started, on ports of its own."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest
from pymodbus.client import AsyncModbusTcpClient

from simulators import main
from simulators.building import Building
from watchkeeper.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
START = (
    "import sys, pathlib\n"
    "from simulators import main\n"
    "from watchkeeper.settings import Settings\n"
    "data, site, port = sys.argv[1:]\n"
    "settings = Settings(data=pathlib.Path(data), site=pathlib.Path(site))\n"
    "sys.exit(main.run(settings, seed=7, story_port=int(port), lively=True, scenario='leak'))\n"
)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def site_on(ports: list[int], folder: Path) -> Path:
    text = (ROOT / "catalog/sites/riverside-plaza.yaml").read_text("utf-8")
    for number, port in enumerate(ports):
        text = text.replace(f"port: {15020 + number}}}", f"port: {port}}}")
    file = folder / "site.yaml"
    file.write_text(text, "utf-8")
    return file


async def connected(port: int, process: asyncio.subprocess.Process) -> AsyncModbusTcpClient:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, reconnect_delay=0)
    async with asyncio.timeout(20):
        while not await client.connect():
            assert process.returncode is None
            await asyncio.sleep(0.05)
    return client


@pytest.mark.serves("A10")
async def test_it_starts_plays_a_scenario_and_ends_when_told(tmp_path: Path) -> None:
    *buses, story = free_ports(5)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, str(tmp_path), str(site_on(buses, tmp_path)), str(story),
        cwd=ROOT,
    )  # fmt: skip
    try:
        panel = await connected(buses[2], process)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{story}", trust_env=False
        ) as control:
            await control.post("/scenario", json={"name": "fire", "detectors": [3]})
            begun = await control.post("/scenario", json={"play": "outage"})
            assert begun.json()["name"]["en"] == "Mains failure"
        answer = await panel.read_holding_registers(256, count=4, device_id=1)
        assert answer.registers == [1, 0, 0, 1]
        panel.close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_taken_port_is_said(building: Building) -> None:
    port = building.plant.site.edges[0].buses[0].modbus_tcp.port
    try:
        taken = socket.create_server(("127.0.0.1", port))
    except OSError:  # somebody else has it, which is just as well
        taken = socket.socket()
    with pytest.raises(ConfigError, match=r"bus meters.*cannot be opened"):
        await main.serve(building)
    taken.close()
