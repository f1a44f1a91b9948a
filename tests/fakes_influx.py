"""An HTTP server that answers as an InfluxDB that cannot be run here, and keeps what it took."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and the lines of the call that are stored all the same."""

    status: int
    body: str = ""
    stored: Sequence[bytes] = ()
    headers: dict[str, str] = field(default_factory=dict)


Answers: TypeAlias = Callable[[list[bytes]], Said]


class Answering:
    """What is asked of the server, and what it took."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.calls: list[int] = []  # lines of each
        self.stored: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        answering = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer in one piece: else each waits 40 ms for the confirmation

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answering.headers.append({k.lower(): v for k, v in self.headers.items()})
                if self.path.startswith("/query"):
                    said = Said(200, '{"results":[{"statement_id":0}]}')
                else:
                    lines = body.split(b"\n")
                    answering.calls.append(len(lines))
                    said = answering.answers(lines)
                answering.stored += said.stored
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(said.body.encode())))
                self.end_headers()
                self.wfile.write(said.body.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def answering(answers: Answers) -> Iterator[Answering]:
    """Run it until the block ends."""
    made = Answering(answers)
    thread = Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()
