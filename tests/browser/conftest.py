"""A browser, and a house to look at: the fake server with the real dashboard in front of it."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PASSWORD = "watch-the-house"  # noqa: S105 - of the demonstration
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
UP_S = 30.0


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass
class House:
    """The two processes, and what a test does to the story in them."""

    url: str
    server: str
    process: subprocess.Popen[bytes]  # the fake server

    def make(self, what: str, **asked: Any) -> Any:
        """Make something happen; return what it made (an id)."""
        return httpx.post(f"{self.server}/fake/{what}", json=asked).raise_for_status().json()

    def asked(self) -> list[list[str]]:
        """Return who posted what."""
        found: list[list[str]] = httpx.get(f"{self.server}/fake/asked").json()
        return found

    def freeze(self) -> None:
        """Stop the server without closing its connections: silence."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)


def until_up(url: str) -> None:
    """Wait until an address answers; the retries of the transport are the wait."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=60), timeout=UP_S) as client:
        client.get(url).raise_for_status()


@pytest.fixture
def house() -> Iterator[House]:
    server, screens = free_ports(2)
    commands = [["fake_server", str(server)], ["dashboard", str(screens), str(server)]]
    processes = [
        subprocess.Popen([sys.executable, "-m", f"tests.browser.{name}", *ports])
        for name, *ports in commands
    ]
    made = House(f"http://127.0.0.1:{screens}", f"http://127.0.0.1:{server}", processes[0])
    try:
        until_up(f"{made.server}/api/v1/health")
        until_up(f"{made.url}/api/v1/health")
        yield made
    finally:
        made.thaw()
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=UP_S)


@pytest.fixture(scope="module")  # its event loop must not run on under other tests
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield browser
        browser.close()


SignIn = Callable[..., Page]


@pytest.fixture
def sign_in(chromium: Browser, house: House) -> Iterator[SignIn]:
    """Return a function that signs a person in on a device of their own."""
    contexts = []

    def entered(
        user: str, *, language: str = "zh-CN", phone: bool = False, dark: bool = False
    ) -> Page:
        context = chromium.new_context(
            locale=language,
            color_scheme="dark" if dark else "light",
            viewport=PHONE if phone else DESK,  # type: ignore[arg-type] # a plain dict will do
        )
        contexts.append(context)
        page = context.new_page()
        page.goto(house.url)
        page.fill("input[name=user]", user)
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.locator(".wk .top").wait_for()
        return page

    yield entered
    for context in contexts:
        context.close()
