"""Readings as line protocol, built by hand: the client's Point objects cost 20 times as much."""

from collections.abc import Sequence

from watchkeeper.batch import Batch
from watchkeeper.history import Quarantined
from watchkeeper.ids import PointId
from watchkeeper.quality import FIRST_BAD

# Measurements, both with the tag site: many sites may share a database.
READING = "reading"  # tag point; fields v (float, absent when bad) and q (integer)
QUARANTINE = "quarantine"  # fields at, origin, reason, readings, digest, payload or payload_hex
PAYLOAD_LIMIT = 30_000  # bytes, twice that when escaped or in hex: a field has at most 64 KB

_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\ "})
_TEXT = str.maketrans({'"': r"\"", "\\": "\\\\"})


def prefix(site: str, point: PointId) -> str:
    """Return the beginning of every line of a point."""
    return f"{READING},site={site.translate(_TAG)},point={point.translate(_TAG)} "


def lines(batch: Batch, prefixes: Sequence[str]) -> list[bytes]:
    """Return one line a reading; times are ms.

    Args:
        batch: Readings; their series are positions in `prefixes`.
        prefixes: What `prefix` gives for each series.
    """
    rows = zip(
        batch.series.tolist(),
        batch.at.tolist(),
        batch.value.tolist(),
        batch.quality.tolist(),
        strict=True,
    )
    return [
        (
            f"{prefixes[series]}q={quality}i {at}"
            if quality >= FIRST_BAD
            else f"{prefixes[series]}v={value!r},q={quality}i {at}"
        ).encode()
        for series, at, value, quality in rows
    ]


def quarantine_line(site: str, item: Quarantined, at_ns: int, limit: int = PAYLOAD_LIMIT) -> bytes:
    """Return a line for what was put aside; a payload that is no text of one line is in hex.

    InfluxDB takes line breaks within a text, VictoriaMetrics reads the rest as a line of its own.
    """
    kept = item.payload[:limit]
    try:
        item.payload.decode()
        name, payload = "payload", kept.decode(errors="ignore")  # the cut may split a letter
    except UnicodeDecodeError:
        name, payload = "payload_hex", kept.hex()
    if "\n" in payload or "\r" in payload:
        name, payload = "payload_hex", kept.hex()
    reason = " ".join(item.reason.split())
    fields = {"origin": item.origin, "reason": reason, "digest": item.digest.hex(), name: payload}
    texts = ",".join(f'{key}="{text.translate(_TEXT)}"' for key, text in fields.items())
    numbers = f"at={item.at}i,readings={item.readings}i"
    return f"{QUARANTINE},site={site.translate(_TAG)} {numbers},{texts} {at_ns}".encode()


def release_line(site: str, at_ns: int) -> bytes:
    """Return a line that marks what was put aside at this time as taken out again.

    A mark, because a delete is not the same in every version of the database.
    """
    return f"{QUARANTINE},site={site.translate(_TAG)} released=true {at_ns}".encode()
