import socket
from pathlib import Path

import pytest

from adapters.mqtt import Mqtt
from tests import parts


@pytest.mark.part("mosquitto")
def test_small_messages_do_not_wait_for_the_one_before(tmp_path: Path) -> None:
    port = parts.free_port()
    config = f"listener {port} 127.0.0.1\nallow_anonymous true\n"
    with parts.mosquitto(tmp_path, config, port):
        bus = Mqtt("127.0.0.1", port, "one")
        try:
            parts.until(lambda: bus.connected, "not connected")
            client = bus._live  # noqa: SLF001 - the only one who has the socket
            opened = client.socket() if client else None
            assert isinstance(opened, socket.socket)
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        finally:
            bus.close()
