"""Files of the history: made while they are sent, a few at a time, ended with who asked."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import chain
from threading import BoundedSemaphore

import anyio
from anyio.lowlevel import checkpoint
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from typing_extensions import override

from server.http import User
from watchkeeper.errors import Unreachable
from watchkeeper.excerpt import Span
from watchkeeper.export import Piece, Sheet, Write

MOST = 2  # files made at the same time: alarms and screens have the other threads
STALLED_S = 60.0  # who takes nothing for so long has gone
TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}

log = logging.getLogger(__name__)


class Files:
    """Makes files; a part is made in a thread, and the next one only when that is sent."""

    def __init__(self, writers: Mapping[str, Write], most: int = MOST) -> None:
        self._writers, self._most = writers, most
        self._free = BoundedSemaphore(most)

    def begin(self, kind: str, name: str, pieces: Iterator[Piece], about: Sheet) -> "Download":
        """Return the answer, once the store has given the first piece.

        Raises Unreachable: as many files as may be are being made, or the store does not answer.
        """
        if not self._free.acquire(blocking=False):
            raise Unreachable("server.files-busy", most=self._most)
        try:
            first = [piece for piece in (next(pieces, None),) if piece is not None]
            parts = self._writers[kind](chain(first, pieces), about)
            return Download(parts, f"{name}.{kind}", TYPES[kind], self._free.release)
        except BaseException:
            self._free.release()
            raise


class Download(StreamingResponse):
    """A file on its way; `over` is called once, however it ends."""

    def __init__(
        self, parts: Iterator[bytes], name: str, media_type: str, over: Callable[[], None]
    ) -> None:
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
        super().__init__(_filled(parts), media_type=media_type, headers=headers)
        self._parts, self._over = parts, over

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. What breaks off on our side stays unfinished: nobody takes it for all."""

        async def patient(message: Message) -> None:
            with anyio.fail_after(STALLED_S):
                await send(message)

        try:
            await super().__call__(scope, receive, patient)
        except (Unreachable, TimeoutError, OSError) as error:
            facts = error.facts if isinstance(error, Unreachable) else {"why": str(error)}
            log.warning("a file of the history stays unfinished", extra=dict(facts))
        finally:
            if callable(close := getattr(self._parts, "close", None)):
                close()
            self._over()


async def _filled(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the parts that hold something; between two the answer can be given up."""
    async for part in iterate_in_threadpool(parts):
        if part:
            yield part
        else:
            await checkpoint()


def noted(user: User, kind: str, points: int, span: Span) -> None:
    """Write down who takes data out of the house."""
    facts = {"start": span.start, "end": span.end, "width": span.width}
    log.info("history export", extra={"by": user.id, "format": kind, "points": points} | facts)
