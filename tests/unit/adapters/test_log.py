import logging
from collections.abc import Iterator

import pytest

from adapters import log


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """Give the root logger as a new process has it, and put it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_written_once_with_its_facts(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.start()
    log.start("DEBUG")
    logging.getLogger("gateway.main").info("gateway serves", extra={"site": "riverside"})
    logging.getLogger("gateway.main").debug("not so loud")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" INFO gateway.main: gateway serves site=riverside")
    assert root.level == logging.INFO


def test_who_started_it_first_says_how_loud(root: logging.Logger) -> None:
    log.start("DEBUG")
    log.start()
    ours = [each for each in root.handlers if isinstance(each.formatter, log.Line)]
    assert (root.level, len(ours)) == (logging.DEBUG, 1)
