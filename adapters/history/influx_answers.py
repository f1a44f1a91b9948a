"""What an InfluxDB answers: rows to a question, refused lines, or that it does not serve us."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from influxdb_client.rest import ApiException

Row: TypeAlias = list[Any]

# 400 and 422: some lines were refused, the rest may be stored; 413: too much for one call.
_ABOUT_LINES: Final = {400, 422}
_TOO_LARGE: Final = 413
_NOT_FOUND: Final = 404
_DROPPED: Final = re.compile(r"\bdropped=(\d+)")
_KEPT_WORDS: Final = 500  # characters: some answers repeat every line
_MEANING: Final = {
    0: "the encrypted line fails, check https in history.url and history.ca",
    401: "the login is refused, check history.username, WATCHKEEPER_HISTORY__PASSWORD or __TOKEN",
    403: "the login has no right to do this in the database",
    404: "no such database or path, check history.database and history.write_path",
    429: "it is asked too often",
}


class Found(NamedTuple):
    """One series of an answer."""

    tags: Mapping[str, str]
    rows: Sequence[Row]  # in the order of the fields asked for, time first
    partial: bool = False  # there may be more: `max-row-limit`, or just more than 10,000 rows


class Numbers(NamedTuple):
    """The only series of an answer, in columns."""

    rows: npt.NDArray[np.float64]  # (n, columns), time first; NaN for none
    partial: bool  # as in Found


NONE: Final = Numbers(np.empty((0, 3)), partial=False)


class NoAnswer(ValueError):  # noqa: N818 - said of what came
    """What came is no answer to a question, or one that says why there is none."""


class NoDatabase(NoAnswer):
    """The server has no such database yet."""


Values = TypeVar("Values")


class _Series(msgspec.Struct, Generic[Values]):
    values: Values
    tags: dict[str, str] = {}
    partial: bool = False


class _Result(msgspec.Struct, Generic[Values]):
    series: list[_Series[Values]] = []
    error: str = ""
    partial: bool = False


class _Answer(msgspec.Struct, Generic[Values]):
    results: list[_Result[Values]] = []
    error: str = ""


class _Words(msgspec.Struct):
    error: str = ""
    message: str = ""


_decode = msgspec.json.Decoder(_Answer[list[Row]]).decode
_decode_raw = msgspec.json.Decoder(_Answer[msgspec.Raw]).decode
_decode_words = msgspec.json.Decoder(_Words).decode


def rows(data: str) -> list[Found]:
    """Return the series of an answer.

    Raises NoAnswer: not JSON, or an error; NoDatabase.
    """
    return [
        Found(series.tags, series.values, part.partial or series.partial)
        for part in _read(_decode, data)
        for series in part.series
    ]


def numbers(data: str) -> Numbers:
    """Return the series of an answer that has one or none, of numbers alone; raises as `rows` does.

    A month of one point is 6 MB: as lists of Python it would take twice as long to read.
    """
    for part in _read(_decode_raw, data):
        for series in part.series:
            text = bytes(series.values)
            count = text.count(b",", 0, text.index(b"]")) + 1
            plain = text.translate(None, b"[]").replace(b"null", b"nan").decode()
            read = np.fromstring(plain, sep=",").reshape(-1, count)
            return Numbers(read, part.partial or series.partial)
    return NONE


def _read(decode: Callable[[str], _Answer[Values]], data: str) -> list[_Result[Values]]:
    try:
        read = decode(data)
    except msgspec.DecodeError as error:
        raise NoAnswer(f"no InfluxDB answers there: {_short(data)}") from error
    problem = read.error or next((each.error for each in read.results if each.error), "")
    if is_no_database(problem):
        raise NoDatabase(problem)
    if problem:
        raise NoAnswer(problem)
    return read.results


def is_no_database(words: str) -> bool:
    """Return whether an InfluxDB 1.x says that it has no such database."""
    return words.startswith("database not found")


def lacks_database(error: ApiException) -> bool:
    """Return whether a write was refused because an InfluxDB 1.x has no such database."""
    return error.status == _NOT_FOUND and is_no_database(_words(error))


def refused(error: ApiException) -> str | None:
    """Return why lines were refused; None: the answer blames something else.

    Only InfluxDB's own words count. A web server on the way, or one that is asked in plain text
    where it expects TLS, says 400 to everything, and everything would be put aside.
    """
    if error.status == _TOO_LARGE or (error.status in _ABOUT_LINES and _words(error)):
        return _words(error) or meaning(error)
    return None


def all_dropped(why: str, count: int) -> bool:
    """Return whether none of `count` lines was stored, so that there is nothing to search."""
    said = _DROPPED.search(why)
    return said is not None and int(said[1]) >= count


def meaning(error: ApiException) -> str:
    """Return for a person what is wrong and what to look at."""
    told = _words(error) or _short(str(error.body or error.reason or ""))
    status = f"{error.status} " if error.status else ""
    known = _MEANING.get(error.status, "")
    return f"{status}{known}: {told}" if known else f"{status}{told}"


def wait_s(error: ApiException) -> float:
    """Return for how long the server asks to be left alone, s; 0: it does not say."""
    said = str(dict(error.headers or ()).get("Retry-After", ""))
    return float(said) if said.isdecimal() else 0.0


def _words(error: ApiException) -> str:
    """Return the words of an InfluxDB, "" where the answer is not of its form."""
    try:
        read = _decode_words(error.body or "")
    except msgspec.DecodeError:
        return ""
    return _short(read.error or read.message)


def _short(text: str) -> str:
    return text.strip()[:_KEPT_WORDS]
