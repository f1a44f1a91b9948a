"""Messages as e-mail."""

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from typing_extensions import override

from watchkeeper.channel import Answer, Channel, Letter, Outcome
from watchkeeper.clock import Clock
from watchkeeper.settings import Smtp

ANSWER_S = 10.0
OURSELVES = "watchkeeper.local"  # said to the server; asking the resolver could take long
FOR_GOOD = 500  # and above: never; 4xx: later


def outcome_of(code: int) -> Outcome:
    """Return what an SMTP reply code that is no success says about a message."""
    return Outcome.FAILED if code >= FOR_GOOD else Outcome.RETRY


def mail_of(letter: Letter, sender: str) -> EmailMessage:
    """Return the mail of a message, in the language of its reader."""
    zh = letter.language == "zh"
    title, text = (letter.title.zh, letter.text.zh) if zh else (letter.title.en, letter.text.en)
    again = ("（重发）" if zh else " (repeat)") if letter.repeat else ""
    mail = EmailMessage()
    mail["Subject"] = " ".join(f"[{letter.priority}] {title}{again}".split())
    mail["From"], mail["To"] = sender, letter.address
    mail["X-Watchkeeper-Key"] = letter.key
    mail.set_content("\n\n".join(part for part in (text, letter.link) if part) + "\n")
    return mail


class Mail(Channel):
    """Sends by one SMTP server; each message is a connection of its own."""

    def __init__(self, settings: Smtp, clock: Clock, *, answer_s: float = ANSWER_S) -> None:
        self._settings, self._clock, self._answer_s = settings, clock, answer_s

    @property
    @override
    def name(self) -> str:
        return "mail"

    @override
    def send(self, letter: Letter) -> Answer:
        mail = mail_of(letter, self._settings.sender)
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = make_msgid(letter.key, domain=OURSELVES)
        try:
            server = self._connect()
        except smtplib.SMTPResponseException as error:
            return Answer(outcome_of(error.smtp_code), _said(error))
        except (OSError, smtplib.SMTPException) as error:  # before anything was handed over
            return Answer(Outcome.RETRY, _said(error))
        answer = self._hand_over(server, mail)
        with suppress(OSError, smtplib.SMTPException):  # a bad goodbye changes nothing
            server.quit()
        return answer

    @override
    def close(self) -> None:
        """Nothing is kept open."""

    def _connect(self) -> smtplib.SMTP:
        host, port, wait_s = self._settings.host, self._settings.port, self._answer_s
        checked = ssl.create_default_context()  # smtplib alone would take any certificate
        if self._settings.encryption == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, OURSELVES, timeout=wait_s, context=checked
            )
        else:
            server = smtplib.SMTP(host, port, OURSELVES, wait_s)
        if self._settings.encryption == "starttls":
            server.starttls(context=checked)
        if self._settings.username:
            password = self._settings.password
            server.login(self._settings.username, password.get_secret_value() if password else "")
        return server

    def _hand_over(self, server: smtplib.SMTP, mail: EmailMessage) -> Answer:
        try:
            server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code, _ = next(iter(error.recipients.values()))
            return Answer(outcome_of(code), _said(error))
        except smtplib.SMTPResponseException as error:
            return Answer(outcome_of(error.smtp_code), _said(error))
        except (OSError, smtplib.SMTPServerDisconnected) as error:  # under way: nobody knows
            return Answer(Outcome.UNKNOWN, _said(error))
        return Answer(Outcome.ACCEPTED)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
