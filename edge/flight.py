"""What has been sent and is not acknowledged yet: the window, and when to send again. Pure.

The window is counted in bytes. It starts at 64 KB, what a slow line carries in the time before a
message counts as lost, and grows to 1 MB while acknowledgements come within a second, so that a
local line is not held up waiting for its commits; it shrinks as soon as they come late. It never
holds more than 200 messages: mosquitto drops what a subscriber has not taken beyond 1,000.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

SMALLEST_WINDOW: Final = 64 << 10
LARGEST_WINDOW: Final = 1 << 20
MOST_MESSAGES: Final = 200
# Beyond the window, for fresh readings: they flow on where a broker threw away what was sent.
FRESH_BYTES: Final = 32 << 10
FRESH_MESSAGES: Final = 50
QUICK_S: Final = 1.0
LATE_S: Final = 5.0

Range = tuple[int, int]  # both inclusive

Send = Callable[[bytes], bool]  # False: not now


@dataclass(slots=True)
class _Sent:
    size: int
    left: float  # tick at which it was sent first
    tick: float  # when it was sent last
    wait_s: float  # until it is sent again
    first: bool = True  # sent once only: its acknowledgement tells how quick the line is


class Flight:
    """The messages of one lane under way."""

    def __init__(self, first_wait_s: float, longest_wait_s: float) -> None:
        """Say how long to wait for an acknowledgement, at first and at most; it doubles."""
        self._first_wait_s, self._longest_wait_s = first_wait_s, longest_wait_s
        self._sent: dict[int, _Sent] = {}
        self.bytes = 0
        self.window = SMALLEST_WINDOW
        self.since: float | None = None  # tick at which the oldest unacknowledged one left

    def __contains__(self, q: int) -> bool:
        """Return whether q is under way."""
        return q in self._sent

    def __len__(self) -> int:
        """Return how many are under way."""
        return len(self._sent)

    @property
    def has_room(self) -> bool:
        """Return whether one more may leave; a message larger than the window goes alone."""
        return self.bytes < self.window and len(self._sent) < MOST_MESSAGES

    @property
    def has_room_for_fresh(self) -> bool:
        """Return whether one of the newest may leave though the window may be full."""
        return (
            self.bytes < self.window + FRESH_BYTES
            and len(self._sent) < MOST_MESSAGES + FRESH_MESSAGES
        )

    def add(self, q: int, size: int, tick: float) -> None:
        """Note that q was sent for the first time."""
        self._sent[q] = _Sent(size, tick, tick, self._first_wait_s)
        self.bytes += size
        if self.since is None:
            self.since = tick

    def hurry(self, numbers: Iterable[int]) -> None:
        """Make these due at once."""
        for q in numbers:
            if q in self._sent:
                self._sent[q].wait_s = 0.0

    def silence_s(self, tick: float) -> float:
        """Return for how long the oldest has waited for its acknowledgement; 0: none waits."""
        return tick - self.since if self._sent and self.since is not None else 0.0

    def again(self, q: int, tick: float) -> None:
        """Note that q was sent once more."""
        sent = self._sent[q]
        sent.tick, sent.first = tick, False
        sent.wait_s = min(2 * (sent.wait_s or self._first_wait_s), self._longest_wait_s)

    def due(self, tick: float) -> list[int]:
        """Return what has waited too long for its acknowledgement, oldest first."""
        late = sorted(q for q, sent in self._sent.items() if tick - sent.tick >= sent.wait_s)
        if late:
            self.window = SMALLEST_WINDOW
        return late

    def acked(self, ranges: Iterable[Range], tick: float) -> list[int]:
        """Return what of these ranges was under way; it no longer is."""
        done = within(self._sent, ranges)
        for q in done:
            sent = self._sent.pop(q)
            self.bytes -= sent.size
            if sent.first:
                self._adapt(tick - sent.tick)
        if done:
            self.since = min((sent.left for sent in self._sent.values()), default=None)
        return done

    def clear(self) -> None:
        """Forget all: the connection, or the acknowledger, is another one now.

        What is sent again has been waiting all the while: `since` stays.
        """
        self._sent.clear()
        self.bytes = 0

    def _adapt(self, waited_s: float) -> None:
        if waited_s < QUICK_S:
            self.window = min(self.window + SMALLEST_WINDOW // 2, LARGEST_WINDOW)
        elif waited_s > LATE_S:
            self.window = max(self.window // 2, SMALLEST_WINDOW)


def within(known: Collection[int], ranges: Iterable[Range]) -> list[int]:
    """Return which of the known lie in a range; quick for few ranges and for many known."""
    found: list[int] = []
    for low, high in ranges:
        if high - low < len(known):
            found += [q for q in range(low, high + 1) if q in known]
        else:
            found += [q for q in known if low <= q <= high]
    return list(dict.fromkeys(found))
