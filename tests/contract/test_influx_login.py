"""InfluxDB lets in who may, over a line it proves itself on: a real one with users and TLS."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from adapters.history.influx import InfluxHistory
from tests import parts_influx
from tests.certificates import Certificates
from tests.fakes import FixedClock
from watchkeeper import settings
from watchkeeper.batch import Batch
from watchkeeper.errors import ConfigError, Unreachable
from watchkeeper.ids import PointId
from watchkeeper.settings import HistorySettings

pytestmark = [pytest.mark.part("influxd"), pytest.mark.part("openssl")]
NOON = 1_780_315_200_000
POWER = PointId("main-1/active_power")
ROOT = {"username": "root", "password": "of:all"}
WRITER = {"username": "writer", "password": "w"}
READER = {"username": "reader", "password": "r"}
ADMIN = "root:of:all"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    for authority in ("ours", "others"):
        made.authority(authority)
    made.signed("influx", "ours")
    made.signed("elsewhere", "ours", host="10.9.9.9")
    return made


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run an InfluxDB with a user that writes one database, one that reads it, and `root`."""
    with parts_influx.one(tmp_path_factory.mktemp("influxd"), "auth-enabled = true") as url:
        parts_influx.tell(url, "CREATE USER root WITH PASSWORD 'of:all' WITH ALL PRIVILEGES")
        for statement in (
            "CREATE DATABASE plant",
            "CREATE USER writer WITH PASSWORD 'w'",
            "GRANT ALL ON plant TO writer",
            "CREATE USER reader WITH PASSWORD 'r'",
            "GRANT READ ON plant TO reader",
        ):
            parts_influx.tell(url, statement, ADMIN)
        yield url


def history(url: str, **facts: object) -> InfluxHistory:
    settings = HistorySettings.model_validate(
        {"store": "influx", "url": url, "write_path": "v1", "database": "plant", **facts}
    )
    return InfluxHistory(settings, "riverside", clock=FixedClock())


def put(history: InfluxHistory, value: float) -> None:
    number = history.series([POWER])
    history.write(Batch(number, np.array([NOON]), np.array([value]), np.zeros(1, np.uint8)))


def stored(history: InfluxHistory) -> list[float]:
    values: list[float] = history.raw(POWER, NOON, NOON + 1).value.tolist()
    return values


@pytest.mark.serves("B3")
def test_who_may_write_writes_and_need_not_be_an_administrator(url: str) -> None:
    ours = history(url, **WRITER)
    put(ours, 1.0)
    assert stored(ours) == [1.0]
    ours.close()


@pytest.mark.serves("B3")
def test_an_administrator_gets_a_database_that_is_made(url: str) -> None:
    ours = history(url, **ROOT, database="its own")
    assert stored(ours) == []
    put(ours, 2.0)
    assert stored(ours) == [2.0]
    ours.close()


@pytest.mark.serves("G4")
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        pytest.param({"username": "writer", "password": "x"}, "login is refused", id="password"),
        pytest.param({"username": "nobody", "password": "x"}, "login is refused", id="user"),
        pytest.param({}, "login is refused", id="no login"),
        pytest.param(READER, "has no right", id="no right"),
        pytest.param(
            {"username": "writer", "password": "w", "database": "other"}, "has no right",
            id="no right in this database",
        ),
    ],
)  # fmt: skip
def test_who_may_not_write_is_told_so_and_nothing_is_stored(
    url: str, facts: dict[str, str], words: str
) -> None:
    witness = history(url, **ROOT)
    put(witness, 7.0)
    ours = history(url, **facts)
    with pytest.raises(Unreachable) as error:
        put(ours, 99.0)
    assert words in str(error.value.facts["what"])
    with pytest.raises(Unreachable):
        put(ours, 99.0)
    assert stored(witness) == [7.0]
    ours.close()
    witness.close()


def test_who_may_read_reads(url: str) -> None:
    witness, ours = (
        history(url, **WRITER),
        history(url, **READER),
    )
    put(witness, 3.0)
    assert stored(ours) == [3.0]
    with pytest.raises(Unreachable) as error:
        stored(history(url, **{**READER, "password": "x"}))
    assert "login is refused" in str(error.value.facts["what"])
    ours.close()
    witness.close()


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, made: Certificates) -> Iterator[str]:
    with _encrypted(tmp_path_factory.mktemp("influxd"), made, "influx") as url:
        yield url


def _encrypted(folder: Path, made: Certificates, name: str) -> "parts_influx.Running":
    files = (f'https-{kind} = "{made.folder}/{name}.{end}"' for kind, end in FILES)
    return parts_influx.one(folder, "https-enabled = true", *files, scheme="https")


FILES = (("certificate", "pem"), ("private-key", "key"))


@pytest.mark.serves("G4")
def test_a_line_to_a_database_that_proves_itself_carries_readings(
    encrypted: str, made: Certificates
) -> None:
    ours = history(encrypted, ca=made.folder / "ours.pem")
    put(ours, 5.0)
    assert stored(ours) == [5.0]
    ours.close()


@pytest.mark.serves("G4")
@pytest.mark.parametrize("ca", ["others", ""])
def test_a_database_that_another_authority_signed_gets_nothing(
    encrypted: str, made: Certificates, ca: str
) -> None:
    ours = history(encrypted, **({"ca": made.folder / f"{ca}.pem"} if ca else {}))
    for call in (lambda: put(ours, 99.0), lambda: stored(ours)):
        with pytest.raises(Unreachable) as error:
            call()
        assert "history.ca" in str(error.value.facts["what"])
        assert "certificate verify failed" in str(error.value.facts["what"])
    ours.close()


@pytest.mark.serves("G4")
def test_a_database_of_another_address_gets_nothing(tmp_path: Path, made: Certificates) -> None:
    with _encrypted(tmp_path, made, "elsewhere") as url:
        ours = history(url, ca=made.folder / "ours.pem")
        with pytest.raises(Unreachable) as error:
            put(ours, 99.0)
        ours.close()
    assert "certificate is not valid for '127.0.0.1'" in str(error.value.facts["what"])


@pytest.mark.serves("B4")
@pytest.mark.parametrize("path", ["v1", "v2"])
def test_plain_text_to_an_encrypted_port_is_no_refusal_of_readings(
    encrypted: str, path: str
) -> None:
    ours = history(encrypted.replace("https:", "http:"), write_path=path)
    with pytest.raises(Unreachable) as error:
        put(ours, 99.0)
    assert "400" in str(error.value.facts["what"])
    ours.close()


def test_an_encrypted_call_to_a_plain_port_says_where_to_look(url: str, made: Certificates) -> None:
    ours = history(url.replace("http:", "https:"), ca=made.folder / "ours.pem")
    with pytest.raises(Unreachable) as error:
        put(ours, 99.0)
    assert "check https in history.url" in str(error.value.facts["what"])
    ours.close()


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate", "utf-8")
    with pytest.raises(ConfigError, match=r"history\.ca"):
        history("https://127.0.0.1:1", ca=wrong)


def test_a_token_that_no_header_can_carry_is_named() -> None:
    with pytest.raises(ConfigError, match="WATCHKEEPER_HISTORY__TOKEN"):
        history("http://127.0.0.1:1", token="two\nlines")  # noqa: S106 - none


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"username": "a"}, id="no password"),
        pytest.param({"password": "a"}, id="no user"),
        pytest.param({"username": "a", "password": "b", "token": "c"}, id="two logins"),
        pytest.param({"username": "a:b", "password": "c"}, id="a colon in the name"),
        pytest.param({"ca": "/ca.pem"}, id="a ca and a plain url"),
    ],
)
def test_a_login_that_makes_no_sense_is_refused(facts: dict[str, str]) -> None:
    given = {f"WATCHKEEPER_HISTORY__{key.upper()}": value for key, value in facts.items()}
    with pytest.raises(ConfigError, match="history"):
        settings.load(None, given)


def test_the_password_comes_from_the_environment_and_is_not_shown() -> None:
    given = {"WATCHKEEPER_HISTORY__USERNAME": "a", "WATCHKEEPER_HISTORY__PASSWORD": "hidden"}
    read = settings.load(None, given)
    assert read.history.username == "a"
    assert "hidden" not in repr(read)
