import logging
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from server.past import Past
from tests import parts
from tests.fakes_history import MemoryHistory
from tests.fakes_server import SESSION, house
from watchkeeper.errors import ConfigError, Unreachable
from watchkeeper.history import History

POWER = "hvac-1/active_power"
WRONG = ConfigError(where="history.thin_after_h", what="not so", fix="set it to 0")


class Store:
    """A store that is away, wrong, or there."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.asked = error, 0

    def open(self) -> History:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return MemoryHistory()


@pytest.mark.parametrize(
    "error", [Unreachable("history.unreachable", what="x", where="y"), OSError("no disk")]
)
def test_a_store_that_is_away_is_told_once_and_opened_by_itself_later(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server.past")
    store = Store(error)
    past = Past(store.open, again_s=0.01)
    assert past.get() is None
    past.start()
    parts.until(lambda: store.asked > 2, "it is not tried again")
    store.error = None
    parts.until(lambda: past.get() is not None, "it is not opened")
    past.close()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO"]


def test_a_store_that_is_set_up_wrongly_is_not_waited_for() -> None:
    with pytest.raises(ConfigError, match="not so"):
        Past(Store(WRONG).open)


def test_a_store_that_comes_and_is_wrong_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(OSError("no disk"))
    past = Past(store.open, again_s=0.01)
    past.start()
    store.error = WRONG
    parts.until(
        lambda: any(getattr(each, "what", "") == "not so" for each in caplog.records),
        "it is not told",
    )
    store.error = None
    parts.until(lambda: past.get() is not None, "it is not opened")
    past.close()


def test_the_attempts_end_with_the_server() -> None:
    store = Store(OSError("no disk"))
    past = Past(store.open, again_s=600)
    past.start()
    past.close()
    assert (past.get(), store.asked) == (None, 1)


def test_history_is_answered_as_soon_as_the_store_is_there(folder: Path) -> None:
    with house(folder) as here:
        bearer = {"Authorization": f"Bearer {SESSION}"}
        client = TestClient(here.server.app, headers=bearer)
        asked: dict[str, str | int] = {"point": POWER, "start": 0, "end": 1}
        assert client.get("/api/v1/history", params=asked).status_code == 503
        assert client.get("/api/v1/health").json()["history"] is False
        here.history = MemoryHistory()
        here.server.parts.history.look()
        assert client.get("/api/v1/history", params=asked).json()["at"] == []
        assert client.get("/api/v1/health").json()["history"] is True
