"""A receiver of webhooks: a real HTTP server that answers what it is told to."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

NOTHING = 0  # the answer: nothing at all
HANG_UP = -1


class Receiver:
    """An HTTP server that keeps what it gets and answers what it is told to."""

    def __init__(self, status: int) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.arrived, self.enough = Event(), Event()
        receiver = self

        class Receive(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((dict(self.headers), body))
                receiver.arrived.set()
                if status == NOTHING:
                    receiver.enough.wait(10)
                if status <= 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("location", "http://127.0.0.1:9/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Receive)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@contextmanager
def receiver(status: int) -> Iterator[Receiver]:
    made = Receiver(status)
    thread = Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.enough.set()
    made.server.shutdown()
    thread.join()
    made.server.server_close()
