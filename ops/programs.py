"""Programs as processes: started, awaited, stopped in order, restarted when they die."""

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from watchkeeper.clock import Clock
from watchkeeper.errors import ConfigError

log = logging.getLogger(__name__)

Ready = Callable[[], bool]


class DidNotStart(Exception):  # noqa: N818 - says what happened
    """A program ended, or was not ready in time; the text says which and shows its last lines."""


@dataclass(slots=True)
class Program:
    """One program of ours, run as `python -m ops.main NAME …`."""

    name: str
    arguments: Sequence[str]
    ready: Ready
    environment: Mapping[str, str]
    log_file: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None)
    wanted: bool = False  # a program that was stopped on purpose is not restarted

    def start(self) -> None:
        """Start the process; its output is appended to the log file."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops.main", *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},  # noqa: TID251 - handed on, not read
                start_new_session=True,  # Ctrl-C reaches the supervisor alone
            )
        self.wanted = True

    def alive(self) -> bool:
        """Return whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self.process is not None and self.alive():
            self.process.send_signal(number)

    def stop(self, patience_s: float = 10.0) -> None:
        """Ask it to end, and end it when it does not."""
        self.wanted = False
        if self.process is None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            log.warning("%s did not end in %.0f s: killed", self.name, patience_s)
            self.process.kill()
            self.process.wait()

    def last_lines(self, count: int = 12) -> str:
        """Return the end of its log."""
        lines = self.log_file.read_text("utf-8", "replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-count:])


class Supervisor:
    """Starts programs one after the other and keeps them running."""

    def __init__(self, programs: Sequence[Program], clock: Clock) -> None:
        self.programs = {program.name: program for program in programs}
        self._clock = clock
        self._stopping = Event()
        self._failures: dict[str, list[float]] = {}

    def start(self, told: Callable[[str, float], None], patience_s: float = 60.0) -> None:
        """Start all in order; `told` gets each name and the seconds it took.

        Raises DidNotStart.
        """
        for program in self.programs.values():
            began = self._clock.tick()
            program.start()
            self.wait_ready(program, patience_s)
            told(program.name, self._clock.tick() - began)

    def wait_ready(self, program: Program, patience_s: float = 60.0) -> None:
        """Wait until the program serves; raises DidNotStart."""
        until = self._clock.tick() + patience_s
        while not program.ready():
            if not program.alive():
                code = program.process.returncode if program.process else None
                raise DidNotStart(f"{program.name} ended with {code}:\n{program.last_lines()}")
            if self._clock.tick() > until:
                raise DidNotStart(
                    f"{program.name} was not ready in {patience_s:.0f} s:\n{program.last_lines()}"
                )
            if self._stopping.wait(0.05):
                raise KeyboardInterrupt

    def restart(self, name: str) -> None:
        """Start a program again that was stopped or killed, and wait until it serves."""
        program = self.programs[name]
        program.start()
        self.wait_ready(program)

    def watch(self) -> None:
        """Keep programs running until `finish` is called; a crash is told and mended."""
        while not self._stopping.wait(0.5):
            self.mend()

    def mend(self) -> None:
        """Start again what died; one that dies often waits longer each time."""
        now = self._clock.tick()
        for program in self.programs.values():
            if not program.wanted or program.alive():
                continue
            failures = [at for at in self._failures.get(program.name, []) if now - at < 60.0]  # noqa: PLR2004 - a minute
            if failures and now - failures[-1] < min(30.0, 2.0 ** len(failures)):
                continue
            self._failures[program.name] = [*failures, now]
            code = program.process.returncode if program.process else None
            log.warning("%s ended with %s: started again", program.name, code)
            program.start()

    def finish(self) -> None:
        """Let `watch` return."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop all, the last started first."""
        self._stopping.set()
        for program in reversed(self.programs.values()):
            program.stop()


def listens(host: str, port: int) -> bool:
    """Return whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False


def answers(url: str) -> bool:
    """Return whether a GET there succeeds."""
    import httpx  # noqa: PLC0415 - an edge box has none

    try:
        return httpx.get(url, timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def check_free(key: str, host: str, port: int) -> None:
    """Raise ConfigError when another program has the port that the setting `key` names."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            told = "is in use" if error.errno == errno.EADDRINUSE else str(error.strerror)
            raise ConfigError(
                where=key,
                what=f"{host}:{port} {told}",
                fix=f"stop the program that has it, or set {key}; "
                "`watchkeeper demo` moves all with --port-base 18500",
            ) from error
