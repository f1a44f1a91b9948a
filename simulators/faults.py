"""What a bad line does to what is sent over it. Pure: chance is passed in, time is in seconds.

A chunk is what one read of a socket gave: of a protocol of questions and answers mostly one frame.
"""

from random import Random
from typing import ClassVar, Final, Literal

from msgspec import Struct

LONGEST_BURST: Final = 16  # bits; a checksum of 16 bits tells every burst up to this length
_PIECE_S: Final = 0.02  # a throttled line passes this much at a time
_NO_END: Final = float("inf")

End = Literal["", "close", "reset"]


class Faults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is wrong with a line at once; as it stands, nothing. Both ways get it alike.

    Raises ValueError: a field is out of its bounds. Shares are those of all chunks, 0 to 1.
    """

    delay_s: float = 0.0  # every chunk comes so much later; order and rate stay
    jitter_s: float = 0.0  # and up to so much more, by chance; nothing overtakes
    loss: float = 0.0  # bytes vanish and the stream goes on, as in a serial server; TCP never does
    half_open: bool = False  # lines stay open and carry nothing, no end comes through, ever
    reset: float = 0.0  # instead of a chunk both ends get a reset (RST)
    throttle_bps: float = 0.0  # bits a second; 0: as fast as it goes
    cut_mid: float = 0.0  # the first part of a chunk comes, then the end (FIN)
    flip: float = 0.0  # one bit, or a burst of up to 16 bits, is turned over

    BOUNDS: ClassVar[dict[str, tuple[float, float]]] = {
        "delay_s": (0, 60), "jitter_s": (0, 60), "loss": (0, 1), "reset": (0, 1),
        "throttle_bps": (0, _NO_END), "cut_mid": (0, 1), "flip": (0, 1),
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse what no line can do."""
        for name, (least, most) in self.BOUNDS.items():
            value = getattr(self, name)
            if not least <= value <= most:  # not a number is not within either
                raise ValueError(f"{name} is {value}, not within {least:g} to {most:g}")


class Fate(Struct, frozen=True):
    """What becomes of a chunk."""

    data: bytes  # what arrives
    wait_s: float = 0.0  # how much later
    end: End = ""  # what then happens to the line


def fate(faults: Faults, chunk: bytes, chance: Random) -> Fate:
    """Return what becomes of a chunk."""
    wait_s = faults.delay_s + faults.jitter_s * chance.random()
    if chance.random() < faults.reset:
        return Fate(b"", wait_s, "reset")
    if chance.random() < faults.cut_mid:
        return Fate(chunk[: chance.randrange(len(chunk))], wait_s, "close")
    if chance.random() < faults.loss:
        return Fate(b"", wait_s)
    if chance.random() < faults.flip:
        return Fate(flipped(chunk, chance), wait_s)
    return Fate(chunk, wait_s)


def flipped(chunk: bytes, chance: Random) -> bytes:
    """Return the chunk with one bit turned, or a burst: its ends, and those between by chance."""
    bits = 8 * len(chunk)
    length = 1 if chance.random() < 1 / 2 else chance.randint(1, min(LONGEST_BURST, bits))
    burst = 1 | chance.getrandbits(length) | 1 << length - 1
    number = int.from_bytes(chunk, "big") ^ burst << chance.randint(0, bits - length)
    return number.to_bytes(len(chunk), "big")


def passage(size: int, throttle_bps: float) -> tuple[int, float]:
    """Return how many of so many bytes pass at once, and for how long (s) they keep the line."""
    if not throttle_bps:
        return size, 0.0
    passing = min(size, max(1, int(throttle_bps * _PIECE_S / 8)))
    return passing, 8 * passing / throttle_bps
