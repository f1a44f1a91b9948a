"""The sender: carries messages out of the house after their commit.

Each channel has two lanes with a thread each, life safety and the rest, so that a carrier that
hangs over a report never holds up a fire. A lane claims one delivery with a lease, sends it outside
the transaction, and notes the outcome together with its next claim.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event as Flag
from threading import Thread

import sqlalchemy as sa

from server.bell import Bell
from server.notify import handlers
from server.notify.model import Delivery
from server.notify.store import SqlMessages, Url, leased, letter, next_due
from server.unit import Unit
from server.writer import Turn, Writer
from watchkeeper.channel import Answer, Channel, Letter, Outcome
from watchkeeper.clock import Clock

LOOK_S = 5.0  # a lane looks at least this often: a clock that is set makes no retry late
PAUSE_S = 1.0  # after a commit that failed
COMMIT_S = 30.0  # as long as a lease

log = logging.getLogger(__name__)

Messages = Callable[[Unit], SqlMessages]


@dataclass(frozen=True, slots=True)
class Post:
    """What every lane works with."""

    writer: Writer
    read: sa.Engine
    bell: Bell  # rings when a commit left something to deliver
    clock: Clock
    messages: Messages
    url: Url


class Sender:
    """All lanes of all channels."""

    def __init__(self, channels: Sequence[Channel], post: Post) -> None:
        self._channels, self._post = channels, post
        self._lanes = [
            Lane(channel, post, urgent=urgent) for channel in channels for urgent in (True, False)
        ]

    def start(self) -> None:
        """Begin, with what a sender that died left behind."""
        for channel in self._channels:
            for delivery in leased(self._post.read, channel.name):
                self._post.writer.do(_lost(self._post.messages, delivery), Turn.EVENT)
        for lane in self._lanes:
            lane.start()

    def close(self) -> None:
        """End after the attempts that are under way; the rest waits in the table."""
        for lane in self._lanes:
            lane.stop()
        self._post.bell.ring()
        for lane in self._lanes:
            lane.join()
        for channel in self._channels:
            channel.close()


class Lane:
    """One thread that sends by one channel."""

    def __init__(self, channel: Channel, post: Post, *, urgent: bool) -> None:
        self._channel, self._post, self._urgent = channel, post, urgent
        self._stopped = Flag()
        name = f"{channel.name}-{'urgent' if urgent else 'rest'}"
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Let the thread run."""
        self._thread.start()

    def stop(self) -> None:
        """Let it end after the attempt that is under way."""
        self._stopped.set()

    def join(self) -> None:
        """Wait for its end."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except Exception:
                log.exception("%s: a look failed", self._thread.name)
                self._stopped.wait(PAUSE_S)

    def _look(self) -> None:
        """Send what is due, or wait for it."""
        heard = self._post.bell.rings
        due = next_due(self._post.read, self._channel.name, urgent=self._urgent)
        if due is not None and due <= self._post.clock.now():
            self._work_off()
        else:
            self._post.bell.wait(heard, self._until(due))

    def _until(self, due: datetime | None) -> float:
        left = LOOK_S if due is None else (due - self._post.clock.now()).total_seconds()
        return min(max(left, 0.001), LOOK_S)

    def _work_off(self) -> None:
        """Send what is due, one after the other."""
        last: tuple[str, Answer] | None = None
        while True:
            claimed = self._turn(last, claim=not self._stopped.is_set())
            if claimed is None:
                return
            last = (claimed.key, self._send(claimed))

    def _turn(self, last: tuple[str, Answer] | None, *, claim: bool) -> Letter | None:
        """Note the last outcome and take the next delivery, in one commit."""

        def work(unit: Unit) -> Letter | None:
            messages = self._post.messages(unit)
            if last is not None:
                handlers.attempted(*last, messages, unit.now)
            name = messages.claim(self._channel.name, urgent=self._urgent) if claim else None
            if name is None:
                return None
            message, deliveries = messages.of_delivery(name)
            return letter(message, _named(deliveries, name), self._post.url)

        turn = Turn.LIFE_SAFETY if self._urgent else Turn.EVENT
        try:
            taken: Letter | None = self._post.writer.do(work, turn).result(COMMIT_S)
        except Exception:
            log.exception("%s: a delivery could not be noted", self._thread.name)
            self._stopped.wait(PAUSE_S)
            return None
        return taken

    def _send(self, claimed: Letter) -> Answer:
        try:
            answer = self._channel.send(claimed)
        except Exception as error:
            log.exception("%s: the channel broke", self._thread.name)
            answer = Answer(Outcome.UNKNOWN, f"{type(error).__name__}: {error}"[:200])
        if answer.outcome is not Outcome.ACCEPTED:
            facts = (self._channel.name, claimed.message, answer.outcome.value, answer.error)
            log.warning("%s: message %s %s: %s", *facts)
        return answer


def _lost(messages: Messages, delivery: str) -> Callable[[Unit], None]:
    return lambda unit: handlers.lost(delivery, messages(unit), unit.now)


def _named(deliveries: Sequence[Delivery], name: str) -> Delivery:
    return next(each for each in deliveries if each.id == name)
