"""What stands between registers and the line: slots on a bus, and what spoils answers."""

import random
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from simulators.registers import Start

Spoilt: TypeAlias = Literal["lost", "late", "short", "foreign", "gateway"]
_KINDS: tuple[Spoilt, ...] = get_args(Spoilt)


@dataclass(slots=True)
class Slot:
    """A unit on its bus: what its registers hold now."""

    unit: str
    number: int
    bus: str
    blocks: dict[Start, bytes] = field(default_factory=dict)
    silent: bool = False  # pulled from the bus: it answers nothing
    dead: bool = False  # without power: it answers nothing either
    delay_ms: int = 0  # it thinks so long before it answers


class Line:
    """A bus that may be noisy.

    A frame whose CRC is wrong ends at the gateway: on Modbus TCP the noise of the line behind it is
    an answer that never comes, comes late, is cut short, belongs to another request, or is the
    gateway's own "the device failed to respond".
    """

    def __init__(self, name: str = "", *, seed: int = 0) -> None:
        self.share = 0.0  # of the answers that are spoilt
        self.spoilt, self.choices = 0, _KINDS
        self._chance = random.Random(f"line:{name}:{seed}")  # noqa: S311 - a simulation, no secret

    def spoil(self) -> Spoilt | None:
        """Return how the next answer is spoilt; None: it is not."""
        if self.share <= 0 or self._chance.random() >= self.share:
            return None
        self.spoilt += 1
        return self._chance.choice(self.choices)
