"""The two brokers a site may have, each as we set it up: for what must hold on both."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

from adapters.mqtt import Mqtt
from broker import mosquitto as settings
from tests import parts

ROOT = Path(__file__).parents[1]
USERS = ("server", "gateway", "plant-b1", "plant-b2")
EMBEDDED = """
import sys
from broker.main import run
from watchkeeper.settings import Mqtt, Settings
sys.exit(run(Settings(mqtt=Mqtt(port=int(sys.argv[1])))))
"""

Running = AbstractContextManager["Popen[bytes]"]


class Broker:
    """A broker that can be stopped and started again on its port."""

    def __init__(
        self, folder: Path, start: Callable[[Path, int], Running], *, accounts: bool = False
    ) -> None:
        self.port, self.accounts = parts.free_port(), accounts
        self._folder, self._start = folder, start
        self._stack = ExitStack()
        self.process = self.start()

    def start(self) -> "Popen[bytes]":
        self.process = self._stack.enter_context(self._start(self._folder, self.port))
        return self.process

    def kill(self) -> None:
        self.process.kill()
        self._stack.close()
        self._stack = ExitStack()

    def close(self) -> None:
        self._stack.close()

    def connect(self, name: str, user: str, **more: Any) -> Mqtt:
        """Return a connection of a user; whoever asks closes it."""
        return Mqtt("127.0.0.1", self.port, name, **self.login(user), **more)

    def login(self, user: str) -> dict[str, Any]:
        """Return what a connection of this user needs: nothing where there are no accounts."""
        return {"username": user, "password": secret_of(user)} if self.accounts else {}


def secret_of(user: str) -> str:
    return f"secret of {user}"


def rendered(folder: Path, port: int, *edges: str) -> str:
    """Write access list and passwords as `watchkeeper broker --render` does; give the settings."""
    users = [(user, secret_of(user), user.ljust(12).encode()[:12]) for user in (*USERS, *edges)]
    (folder / "passwords").write_text(settings.passwords(users), "utf-8")
    (folder / "acl").write_text(settings.access(["riverside"]), "utf-8")
    for name in ("passwords", "acl"):
        (folder / name).chmod(0o600)
    return settings.config(str(folder), host="127.0.0.1", port=port)


def mosquitto(folder: Path, port: int) -> Running:
    """Run the mosquitto of a production site."""
    return parts.mosquitto(folder, rendered(folder, port), port)


@contextmanager
def embedded(folder: Path, port: int) -> Iterator["Popen[bytes]"]:
    """Run the broker of a first run."""
    command = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-c", EMBEDDED, str(port)]
    with parts.running(command, folder / "log", port) as process:
        yield process
