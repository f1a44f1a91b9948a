"""Talking to InfluxDB through influxdb-client: writes of ready lines, reads in InfluxQL."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from adapters.history import influx_answers as answers
from adapters.history.influx_answers import NONE, Found, NoAnswer, NoDatabase, Numbers
from watchkeeper.clock import Clock
from watchkeeper.errors import ConfigError, Unreachable
from watchkeeper.settings import HistorySettings

TIMEOUT_MS: Final = 10_000
LINES: Final = 5_000  # a call
FEWEST: Final = 250  # a call to a database that was too slow for more
LONGEST_S: Final = 300.0  # that we leave a server alone because it asks for it

Answer = TypeVar("Answer")


class Refusal(NamedTuple):
    """A line the database does not take, and its words."""

    line: bytes
    why: str


class _OldRest:
    """The client's last step for InfluxDB before 1.8, which has no /api/v2/write."""

    def __init__(self, rest: Any) -> None:
        self._rest = rest

    def __getattr__(self, name: str) -> Any:
        """Leave everything but writing as it is."""
        return getattr(self._rest, name)

    def POST(self, url: str, query_params: Any = None, **rest: Any) -> Any:  # noqa: N802 - theirs
        """Send a write to where an old server expects it."""
        if url.endswith("/api/v2/write"):
            asked = dict(query_params)
            url = url.removesuffix("/api/v2/write") + "/write"
            query_params = [("db", asked["bucket"]), ("precision", asked["precision"])]
        return self._rest.POST(url, query_params=query_params, **rest)


class Database:
    """One database (or bucket) of an InfluxDB."""

    def __init__(
        self, settings: HistorySettings, clock: Clock, timeout_ms: int = TIMEOUT_MS
    ) -> None:
        """Prepare; nothing is sent before the first call.

        Raises ConfigError: a login or a certificate cannot be used.
        """
        self._settings, self._clock = settings, clock
        self._url = settings.url.rstrip("/")
        self._client: Any = _client(settings, timeout_ms)
        api: Any = self._client.api_client
        if settings.write_path == "v1":
            api.rest_client = _OldRest(api.rest_client)
        self._rest, self._headers = api.rest_client, api.default_headers
        self._writer: Any = self._client.write_api(write_options=SYNCHRONOUS)
        self._most, self._not_before = LINES, 0.0

    def write(self, lines: Sequence[bytes], precision: str) -> Iterator[list[Refusal]]:
        """Store the lines; give those that were refused, each with the reason, as they are found.

        Where that fails, the next time has calls of half as many lines, where all is stored, of
        twice as many: a line too slow for a large call in `TIMEOUT_MS` may carry small ones.

        Raises Unreachable: no answer, or one that blames not the lines (rights, load).
        """
        try:
            for start in range(0, len(lines), self._most):
                yield from self._parted(lines[start : start + self._most], precision)
        except Unreachable:
            self._most = max(FEWEST, self._most // 2)
            raise
        self._most = min(LINES, 2 * self._most)

    def _parted(self, lines: Sequence[bytes], precision: str) -> Iterator[list[Refusal]]:
        """Try halves until what is refused is found."""
        halves = [lines]
        while halves:
            part = halves.pop()
            why = self._write(part, precision)
            if why is None:
                continue
            if len(part) == 1 or answers.all_dropped(why, len(part)):
                yield [Refusal(line, why) for line in part]
            else:
                middle = len(part) // 2
                halves += [part[middle:], part[:middle]]

    def _write(self, lines: Sequence[bytes], precision: str) -> str | None:
        """Return why some of the lines were refused, None when all are stored."""
        left = self._not_before - self._clock.tick()
        if left > 0:
            raise self.unreachable(f"it asked not to be written to for another {left:.0f} s")
        try:
            self._post(lines, precision)
        except ApiException as error:
            if (why := answers.refused(error)) is not None:
                return why
            self._not_before = self._clock.tick() + min(answers.wait_s(error), LONGEST_S)
            raise self.unreachable(answers.meaning(error)) from error
        except (urllib3.exceptions.HTTPError, OSError, UnicodeDecodeError) as error:
            raise self.unreachable(str(error)) from error
        return None

    def _post(self, lines: Sequence[bytes], precision: str) -> None:
        """Send lines, once more after making the database where a 1.x server has none."""
        facts = {"bucket": self._settings.database, "write_precision": precision}
        record = b"\n".join(lines)
        try:
            self._writer.write(record=record, **facts)
        except ApiException as error:
            if not answers.lacks_database(error):
                raise
            self._make()
            self._writer.write(record=record, **facts)

    def ask(self, question: str, epoch: str = "ms") -> list[Found]:
        """Return the answer to an InfluxQL statement, times in ms (or ns). Raises Unreachable."""
        return self._answer(answers.rows, question, epoch, [])

    def numbers(self, question: str) -> Numbers:
        """Return the answer where it is one series of numbers, times in ms. Raises Unreachable."""
        return self._answer(answers.numbers, question, "ms", NONE)

    def _answer(
        self, read: Callable[[str], Answer], question: str, epoch: str, nothing: Answer
    ) -> Answer:
        try:
            return read(self._ask(question, epoch))
        except NoDatabase:
            self._make()
            return nothing
        except NoAnswer as error:
            raise self.unreachable(str(error)) from error

    def _ask(self, question: str, epoch: str) -> str:
        try:
            answer = self._rest.POST(
                f"{self._url}/query",
                headers={**self._headers, "Content-Type": "application/x-www-form-urlencoded"},
                post_params={"q": question, "db": self._settings.database, "epoch": epoch},
            )
        except ApiException as error:
            raise self.unreachable(answers.meaning(error)) from error
        except (urllib3.exceptions.HTTPError, OSError, UnicodeDecodeError) as error:
            raise self.unreachable(str(error)) from error
        return str(answer.data)

    def _make(self) -> None:
        """Create the database of a 1.x server. Raises Unreachable: we may not."""
        name = self._settings.database.replace("\\", "\\\\").replace('"', '\\"')
        try:
            answers.rows(self._ask(f'CREATE DATABASE "{name}"', "ms"))
        except NoAnswer as error:
            raise self.unreachable(str(error)) from error

    def unreachable(self, what: str) -> Unreachable:
        """Return what to raise when this database does not serve us."""
        return Unreachable("history.unreachable", what=what, where=self._url)

    def close(self) -> None:
        """Leave."""
        self._writer.close()
        self._client.close()


def _client(settings: HistorySettings, timeout_ms: int) -> Any:
    token = settings.token.get_secret_value() if settings.token else ""
    if settings.username:
        password = settings.password.get_secret_value() if settings.password else ""
        token = f"{settings.username}:{password}"
    elif not token.isascii() or not token.isprintable():
        raise ConfigError(
            where="history.token",
            what="a token is printable ASCII without line breaks",
            fix="correct WATCHKEEPER_HISTORY__TOKEN",
        )
    client: Any = InfluxDBClient(
        url=settings.url.rstrip("/"),
        token=token,
        org=settings.org or "-",
        timeout=timeout_ms,
        auth_basic=bool(settings.username),
        ssl_context=_trusted(settings) if settings.url.startswith("https:") else None,
    )
    if not token:
        client.api_client.default_headers.pop("Authorization", None)
    return client


def _trusted(settings: HistorySettings) -> ssl.SSLContext:
    """Return what the server must prove. Raises ConfigError: `history.ca` cannot be used."""
    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            where="history.ca", what=str(error), fix="name a PEM file that this program may read"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
