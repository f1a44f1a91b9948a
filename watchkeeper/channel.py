"""The port to whoever carries a message to a person; adapters/channels has the real ones."""

import hmac
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from watchkeeper.documents import Text

SIGNATURE_HEADER = "X-Watchkeeper-Signature"
SIGNED_FOR_S = 300  # a signature older or newer than this is not believed


class Outcome(StrEnum):
    """What became of one attempt."""

    ACCEPTED = "accepted"  # the carrier has it and said so
    RETRY = "retry"  # it surely does not have it; later may be better
    FAILED = "failed"  # it surely does not have it and never will
    UNKNOWN = "unknown"  # it may have it: the answer is missing


@dataclass(frozen=True, slots=True)
class Answer:
    """What a channel says about an attempt."""

    outcome: Outcome
    error: str = ""  # in the carrier's words


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way to one person by one channel."""

    key: str  # the same for every attempt: who has it already may drop it
    message: str
    person: str
    person_name: str
    address: str  # e-mail address; "" where the channel itself is the address
    language: str
    kind: str
    subject: str  # alarm, order or run id
    priority: int
    life_safety: bool
    title: Text
    text: Text
    link: str  # "" for none
    at_ms: int
    repeat: bool  # sent again because nobody knows whether it arrived
    exercise: bool = False


class Channel(Protocol):
    """Carries letters. Called from one or two threads, never inside a transaction."""

    @property
    def name(self) -> str:
        """Return what the channel is called in deliveries: webhook, mail."""
        ...

    def send(self, letter: Letter) -> Answer:
        """Try once, within seconds; raises nothing."""
        ...

    def close(self) -> None:
        """Let connections go."""
        ...


def signature(secret: bytes, at_s: int, body: bytes) -> str:
    """Return the value of SIGNATURE_HEADER: HMAC-SHA256 over "<unix s>.<body>"."""
    return f"t={at_s},v1={hmac.new(secret, f'{at_s}.'.encode() + body, sha256).hexdigest()}"


def signed(secret: bytes, now_s: int, body: bytes, header: str) -> bool:
    """Return whether the header was made with the secret, for this body, just now."""
    words = dict(part.partition("=")[::2] for part in header.split(","))
    stamp = words.get("t", "")
    if not stamp.isascii() or not stamp.isdecimal() or abs(now_s - int(stamp)) > SIGNED_FOR_S:
        return False
    return hmac.compare_digest(signature(secret, int(stamp), body).encode(), header.encode())
