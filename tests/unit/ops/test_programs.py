import signal
import socket
from pathlib import Path
from threading import Event, Thread

import pytest

from adapters.system_clock import SystemClock
from ops.programs import DidNotStart, Program, Supervisor, listens


def program(name: str, words: list[str], log: Path, ready: bool = True) -> Program:  # noqa: FBT001, FBT002
    return Program(name, words, lambda: ready, {}, log)


def test_a_program_that_ends_at_once_shows_its_last_lines(tmp_path: Path) -> None:
    bad = program("bad", ["fly"], tmp_path / "bad.log", ready=False)
    with pytest.raises(DidNotStart, match="no command `fly`"):
        Supervisor([bad], SystemClock()).start(lambda *_: None, 20)


def test_what_dies_is_started_again_and_what_is_stopped_is_not(tmp_path: Path) -> None:
    part = program("part", ["catalog", "check", "/dev/null"], tmp_path / "part.log")
    supervisor = Supervisor([part], SystemClock())
    supervisor.start(lambda *_: None)
    assert part.process is not None
    first = part.process
    first.wait(20)
    supervisor.mend()
    assert part.process is not first
    part.stop()
    stopped = part.process
    supervisor.mend()
    assert part.process is stopped


def test_a_stopped_process_still_ends(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert listens("127.0.0.1", taken.getsockname()[1])
    part = program("part", ["catalog", "check"], tmp_path / "part.log")
    part.start()
    part.signal(signal.SIGSTOP)
    ended = Event()
    Thread(target=lambda: (part.stop(5), ended.set()), daemon=True).start()
    assert ended.wait(15)
    assert not part.alive()
