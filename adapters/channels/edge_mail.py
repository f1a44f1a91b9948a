"""The second route of an edge that nobody hears, by mail: one to each address of the site file."""

import logging

from adapters.channels.mail import Mail
from watchkeeper.channel import Letter, Outcome
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.documents import Text
from watchkeeper.texts import Texts

log = logging.getLogger(__name__)


class EdgeMail:
    """Writes to one address, in both languages: nobody knows who reads it."""

    def __init__(self, mail: Mail, address: str, clock: Clock, texts: Texts, edge: str) -> None:
        """Say by which relay, to whom, and who speaks."""
        self._mail, self._address, self._clock = mail, address, clock
        self._texts, self._edge = texts, edge
        self._key = ""
        self._repeat = False  # the last attempt may have arrived

    def tell(self, *, alone: bool, events: int) -> bool:
        """Send once; True: the relay has it."""
        kind = "edge.alone" if alone else "edge.heard"
        now = unix_ms(self._clock.now())
        self._key = self._key or f"{self._edge}-{kind}-{now}"  # the same for every attempt
        title = self._texts.both(kind, edge=self._edge)
        text = self._texts.both(f"{kind}-text", edge=self._edge, events=events)
        letter = Letter(
            key=self._key,
            message=self._key,
            person="",
            person_name="",
            address=self._address,
            language="zh",
            kind=kind,
            subject=self._edge,
            priority=1,
            life_safety=True,
            title=_both(title, " / "),
            text=_both(text, "\n\n"),
            link="",
            at_ms=now,
            repeat=self._repeat,
        )
        answer = self._mail.send(letter)
        self._repeat = answer.outcome is Outcome.UNKNOWN
        if answer.outcome is not Outcome.ACCEPTED:
            log.warning("mail not taken", extra={"to": self._address, "why": answer.error})
            return False
        self._key = ""
        return True


def _both(text: Text, between: str) -> Text:
    """Return both languages in each."""
    whole = f"{text.zh}{between}{text.en}"
    return Text(whole, whole)
