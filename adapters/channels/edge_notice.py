"""The second route of an edge that nobody hears: a signed HTTP POST with the standard library only.

An edge box has no HTTP client installed (docs/deploy.md); the body and the signature are those of
every other webhook.
"""

import http.client
import json
import logging
from urllib.parse import urlsplit

from watchkeeper.channel import SIGNATURE_HEADER, signature
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.documents import Text
from watchkeeper.texts import Texts

ANSWER_S = 5.0

log = logging.getLogger(__name__)


class EdgeNotice:
    """Posts to the address the site file names."""

    def __init__(self, url: str, secret: bytes, clock: Clock, texts: Texts, edge: str) -> None:
        """Say where to, signed with what, and who speaks."""
        self._url, self._secret, self._clock = url, secret, clock
        self._texts, self._edge = texts, edge
        self._key = ""

    def tell(self, *, alone: bool, events: int) -> bool:
        """Post once; True: it was taken."""
        kind = "edge.alone" if alone else "edge.heard"
        now = unix_ms(self._clock.now())
        self._key = self._key or f"{self._edge}-{kind}-{now}"  # the same for every attempt
        title = self._texts.both(kind, edge=self._edge)
        text = self._texts.both(f"{kind}-text", edge=self._edge, events=events)
        body = json.dumps(
            {
                "id": self._key,
                "key": self._key,
                "kind": kind,
                "subject": self._edge,
                "priority": 1,
                "life_safety": True,
                "title": _both(title),
                "text": _both(text),
                "link": None,
                "at": now,
            },
            ensure_ascii=False,
        ).encode()
        taken = self._post(body, now // 1000)
        if taken:
            self._key = ""
        return taken

    def _post(self, body: bytes, at_s: int) -> bool:
        url = urlsplit(self._url)
        secure = url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": self._key,
            SIGNATURE_HEADER: signature(self._secret, at_s, body),
        }
        connection = kind(url.hostname or "", url.port, timeout=ANSWER_S)
        try:
            connection.request("POST", url.path or "/", body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            log.warning("second route does not answer", extra={"why": str(error)})
            return False
        finally:
            connection.close()
        return 200 <= status < 300  # noqa: PLR2004 - RFC 9110


def _both(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}
