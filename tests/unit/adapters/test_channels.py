"""Channels against real servers on this machine: what each answer means for a message."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from adapters import secret
from adapters.channels import mail, webhook
from adapters.channels.mail import Mail
from adapters.channels.webhook import Webhook
from tests.fakes import FixedClock
from tests.fakes_receiver import HANG_UP, NOTHING, receiver
from watchkeeper.channel import SIGNATURE_HEADER, Channel, Letter, signature, signed
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.settings import Smtp

CLOCK = FixedClock()
KEY = b"0123456789abcdef"
LETTER = Letter(
    key="dlv_1", message="msg_1", person="wangqiang", person_name="王强",
    address="wangqiang@riverside.example", language="zh", kind="order-offer", subject="ord_1",
    priority=2, life_safety=False, title=Text("紧急工单：\n过载", "Urgent order: overload"),
    text=Text("A 座 B1。", "Tower A B1."), link="http://127.0.0.1:8501/go/abc", at_ms=7,
    repeat=False,
)  # fmt: skip

# One table for everything that carries messages by HTTP: the answer and what it means.
MEANINGS = [
    (200, "accepted"), (201, "accepted"), (202, "accepted"), (204, "accepted"),
    (301, "failed"), (302, "failed"), (307, "failed"),
    (400, "failed"), (401, "failed"), (403, "failed"), (404, "failed"), (410, "failed"),
    (413, "failed"), (422, "failed"),
    (408, "retry"), (425, "retry"), (429, "retry"),
    (500, "retry"), (502, "retry"), (503, "retry"), (504, "retry"),
    (NOTHING, "unknown"), (HANG_UP, "unknown"),
]  # fmt: skip


@contextmanager
def channel(url: str) -> Iterator[Channel]:
    made = Webhook(url, KEY, CLOCK, answer_s=0.2)
    yield made
    made.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.serves("D5")
@pytest.mark.parametrize(("status", "outcome"), MEANINGS)
def test_what_an_answer_means(status: int, outcome: str) -> None:
    with receiver(status) as there, channel(there.url) as way:
        answer = way.send(LETTER)
        assert answer.outcome.value == outcome
        assert bool(answer.error) == (outcome != "accepted")
        assert len(there.got) == 1  # no redirect is followed, nothing is tried twice


def test_a_closed_port_is_tried_again_and_a_wrong_address_never() -> None:
    with channel(f"http://127.0.0.1:{free_port()}/") as way:
        assert way.send(LETTER).outcome.value == "retry"
    with channel("gopher://127.0.0.1/") as way:
        assert way.send(LETTER).outcome.value == "failed"


@pytest.mark.serves("D5")
def test_a_post_is_signed_and_carries_its_key() -> None:
    with receiver(204) as there, channel(there.url) as way:
        way.send(replace(LETTER, repeat=True))
        headers, body = there.got[0]
    told = json.loads(body)
    assert headers["Idempotency-Key"] == told["key"] == "dlv_1"
    assert (told["person"], told["subject"], told["repeat"]) == ("wangqiang", "ord_1", True)
    assert told["title"]["en"] == "Urgent order: overload"
    now_s = unix_ms(CLOCK.now()) // 1000
    assert signed(KEY, now_s, body, headers[SIGNATURE_HEADER])


@pytest.mark.parametrize(
    ("later_s", "body", "key", "header", "believed"),
    [
        pytest.param(0, b"{}", KEY, "", True, id="right"),
        pytest.param(300, b"{}", KEY, "", True, id="five minutes"),
        pytest.param(301, b"{}", KEY, "", False, id="too old"),
        pytest.param(-301, b"{}", KEY, "", False, id="from the future"),
        pytest.param(0, b"{ }", KEY, "", False, id="other body"),
        pytest.param(0, b"{}", b"other", "", False, id="other key"),
        pytest.param(0, b"{}", KEY, "t=x,v1=y", False, id="nonsense"),
        pytest.param(0, b"{}", KEY, "é", False, id="not ascii"),
    ],
)
def test_signatures(later_s: int, body: bytes, key: bytes, header: str, *, believed: bool) -> None:
    made = signature(KEY, 1_000_000, b"{}")
    assert signed(key, 1_000_000 + later_s, body, header or made) is believed


class Postmaster:
    """Takes mail, or refuses it with the given reply."""

    def __init__(self, reply: str = "") -> None:
        self.reply, self.got = reply, list[Envelope]()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.reply:
            return self.reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - likewise
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.got.append(envelope)
        return "250 OK"


@contextmanager
def post_office(postmaster: Postmaster) -> Iterator[Mail]:
    office = Controller(postmaster, hostname="127.0.0.1", port=free_port())
    office.start()
    try:
        yield Mail(Smtp(host="127.0.0.1", port=office.port), CLOCK, answer_s=1.0)
    finally:
        office.stop()


@pytest.mark.serves("D5")
def test_a_mail_arrives_in_the_language_of_its_reader() -> None:
    postmaster = Postmaster()
    with post_office(postmaster) as way:
        assert way.send(LETTER).outcome.value == "accepted"
        english = replace(LETTER, language="en", repeat=True)
        assert way.send(english).outcome.value == "accepted"
    first, second = (mail_of(envelope) for envelope in postmaster.got)
    assert "紧急工单： 过载" in first
    assert "http://127.0.0.1:8501/go/abc" in first
    assert "Urgent order: overload (repeat)" in second
    assert postmaster.got[0].rcpt_tos == ["wangqiang@riverside.example"]


@pytest.mark.parametrize(
    ("reply", "outcome"), [("450 later", "retry"), ("550 nobody here", "failed")]
)
def test_what_a_refusal_means(reply: str, outcome: str) -> None:
    with post_office(Postmaster(reply)) as way:
        assert way.send(LETTER).outcome.value == outcome


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        pytest.param(["554 go away"], "failed", id="refused at the door"),
        pytest.param(["421 too busy"], "retry", id="busy at the door"),
        pytest.param([], "retry", id="silent at the door"),
        pytest.param(
            ["220 hi", "250 ok", "250 ok", "250 ok", "354 go"], "unknown", id="silent after all"
        ),
        pytest.param(["220 hi", "250 ok", "451 not now", "250 ok"], "retry", id="not this sender"),
        pytest.param(
            ["220 hi", "250 ok", "250 ok", "250 ok", "354 go", "250 ok", "500 what"],
            "accepted",
            id="a bad goodbye",
        ),
    ],
)
def test_a_server_that_breaks_off(script: list[str], outcome: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = Thread(target=speak, args=(door, script))
        thread.start()
        smtp = Smtp(host="127.0.0.1", port=door.getsockname()[1])
        answer = Mail(smtp, CLOCK, answer_s=0.3).send(LETTER)
        thread.join()
    assert answer.outcome.value == outcome


def test_nobody_listens() -> None:
    answer = Mail(Smtp(host="127.0.0.1", port=free_port()), CLOCK).send(LETTER)
    assert answer.outcome.value == "retry"


def test_replies_by_number() -> None:
    assert [mail.outcome_of(code).value for code in (421, 452, 500, 554)] == [
        "retry", "retry", "failed", "failed",
    ]  # fmt: skip
    assert webhook.outcome_of(299).value == "accepted"


def test_a_key_is_made_once_and_read_by_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = secret.key(folder, "webhook")
    assert len(bytes.fromhex(made.decode())) == 32
    assert secret.key(folder, "webhook") == made != secret.key(folder, "links")
    assert {path.name for path in folder.iterdir()} == {"webhook.key", "links.key"}
    assert (folder / "webhook.key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def speak(door: socket.socket, script: list[str]) -> None:
    """Say one reply a command, then nothing more until the other hangs up."""
    talk, _ = door.accept()
    with talk, talk.makefile("rb") as lines:
        for number, reply in enumerate(script):
            talk.sendall(f"{reply}\r\n".encode())
            if number + 1 < len(script) and reply.startswith("354"):
                while lines.readline().strip() != b".":
                    pass
            elif number + 1 < len(script):
                lines.readline()
        while lines.readline():
            pass


def mail_of(envelope: Envelope) -> str:
    """Return subject and text of a mail."""
    assert isinstance(envelope.content, bytes)
    read = message_from_bytes(envelope.content, policy=policy.default)
    return f"{read['subject']}\n{read.get_content()}"
