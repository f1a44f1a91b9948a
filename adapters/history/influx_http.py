"""Talking to InfluxDB through influxdb-client: writes of ready lines, reads in InfluxQL."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from watchkeeper.errors import Unreachable
from watchkeeper.settings import HistorySettings

TIMEOUT_MS = 10_000
# 400 and 422: some lines were refused, the rest is stored; 413: too much for one call.
_REFUSALS = {400, 413, 422}
Row: TypeAlias = list[Any]


class Refusal(NamedTuple):
    """A line the database does not take, and its words."""

    line: bytes
    why: str


class Found(NamedTuple):
    """One series of an answer."""

    tags: Mapping[str, str]
    rows: Sequence[Row]  # in the order of the fields asked for, time first


class _Series(msgspec.Struct):
    name: str = ""
    tags: dict[str, str] = {}
    columns: list[str] = []
    values: list[Row] = []


class _Result(msgspec.Struct):
    series: list[_Series] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str = ""


_decode = msgspec.json.Decoder(_Answer).decode


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

    def __init__(self, settings: HistorySettings) -> None:
        """Prepare; nothing is sent before the first call."""
        token = settings.token.get_secret_value() if settings.token else ""
        self._settings = settings
        self._url = settings.url.rstrip("/")
        self._client: Any = InfluxDBClient(
            url=self._url, token=token, org=settings.org or "-", timeout=TIMEOUT_MS
        )
        api: Any = self._client.api_client
        if not token:
            api.default_headers.pop("Authorization", None)
        if settings.write_path == "v1":
            api.rest_client = _OldRest(api.rest_client)
        self._rest, self._headers = api.rest_client, api.default_headers
        self._writer: Any = self._client.write_api(write_options=SYNCHRONOUS)
        self._there = settings.write_path == "v2"  # a bucket is made by whoever runs the database

    def write(self, lines: Sequence[bytes], precision: str) -> list[Refusal]:
        """Store the lines; return those that were refused, each with the reason.

        Raises Unreachable: no answer, or one that blames not the lines (rights, load).
        """
        self._make()
        refused: list[Refusal] = []
        halves = [lines] if lines else []
        while halves:
            part = halves.pop()
            why = self._write(part, precision)
            if why is None:
                continue
            if len(part) == 1:
                refused.append(Refusal(part[0], why))
            else:
                middle = len(part) // 2
                halves += [part[middle:], part[:middle]]
        return refused

    def _write(self, lines: Sequence[bytes], precision: str) -> str | None:
        """Return why some of the lines were refused, None when all are stored."""
        try:
            self._writer.write(
                bucket=self._settings.database,
                record=b"\n".join(lines),
                write_precision=precision,
            )
        except ApiException as error:
            if error.status in _REFUSALS:
                return str(error.body or error.reason)
            raise self._unreachable(f"{error.status} {error.reason}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(str(error)) from error
        return None

    def ask(self, question: str, epoch: str = "ms") -> list[Found]:
        """Return the answer to an InfluxQL statement, times in ms (or ns). Raises Unreachable."""
        self._make()
        return self._ask(question, epoch)

    def _ask(self, question: str, epoch: str = "ms") -> list[Found]:
        try:
            answer = self._rest.POST(
                f"{self._url}/query",
                headers={**self._headers, "Content-Type": "application/x-www-form-urlencoded"},
                post_params={"q": question, "db": self._settings.database, "epoch": epoch},
            )
        except ApiException as error:
            raise self._unreachable(f"{error.status} {error.body or error.reason}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(str(error)) from error
        read = _decode(answer.data)
        problem = read.error or next((each.error for each in read.results if each.error), "")
        if problem:
            raise self._unreachable(problem)
        return [Found(each.tags, each.values) for part in read.results for each in part.series]

    def _make(self) -> None:
        """Create the database of a 1.x server, once."""
        if not self._there:
            self._ask(f'CREATE DATABASE "{self._settings.database}"')
            self._there = True

    def _unreachable(self, what: str) -> Unreachable:
        return Unreachable("history.unreachable", what=what, where=self._url)

    def close(self) -> None:
        """Leave."""
        self._writer.close()
        self._client.close()
