"""Messages as signed HTTP POSTs."""

import httpx
import msgspec
from typing_extensions import override

from watchkeeper.channel import SIGNATURE_HEADER, Answer, Channel, Letter, Outcome, signature
from watchkeeper.clock import Clock, unix_ms

CONNECT_S = 3.0
ANSWER_S = 5.0

# The receiver is busy, starting or broken now; everything else above 299 is its last word.
_LATER = frozenset({408, 425, 429})


def outcome_of(status: int) -> Outcome:
    """Return what an HTTP status says about a message."""
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110
        return Outcome.ACCEPTED
    return Outcome.RETRY if status in _LATER or status >= 500 else Outcome.FAILED  # noqa: PLR2004


def body_of(letter: Letter) -> bytes:
    """Return the JSON of a message (docs/notifications.md)."""
    return msgspec.json.encode(
        {
            "id": letter.message,
            "key": letter.key,
            "kind": letter.kind,
            "subject": letter.subject,
            "person": letter.person,
            "person_name": letter.person_name,
            "language": letter.language,
            "priority": letter.priority,
            "life_safety": letter.life_safety,
            "exercise": letter.exercise,
            "repeat": letter.repeat,
            "title": letter.title,
            "text": letter.text,
            "link": letter.link or None,
            "at": letter.at_ms,
        }
    )


class Webhook(Channel):
    """Posts to one address the operator has set; never follows a redirect."""

    def __init__(
        self, url: str, secret: bytes, clock: Clock, *, answer_s: float = ANSWER_S
    ) -> None:
        self._url, self._secret, self._clock = url, secret, clock
        self._client = httpx.Client(
            timeout=httpx.Timeout(answer_s, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=False,
        )

    @property
    @override
    def name(self) -> str:
        return "webhook"

    @override
    def send(self, letter: Letter) -> Answer:
        body = body_of(letter)
        at_s = unix_ms(self._clock.now()) // 1000
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": letter.key,
            SIGNATURE_HEADER: signature(self._secret, at_s, body),
        }
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Answer(Outcome.RETRY, _said(error))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            return Answer(Outcome.FAILED, _said(error))
        except httpx.HTTPError as error:  # it was under way: nobody knows
            return Answer(Outcome.UNKNOWN, _said(error))
        outcome = outcome_of(answer.status_code)
        return Answer(outcome, "" if outcome is Outcome.ACCEPTED else f"HTTP {answer.status_code}")

    @override
    def close(self) -> None:
        self._client.close()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
