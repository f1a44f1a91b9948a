"""The words of a scenario: what somebody asks for, what is wrong now, how a cause is set."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct

from simulators.building import Building


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants to happen, or to be over (`clear`)."""

    name: str
    unit: str = ""  # empty: the first unit that the scenario fits
    detectors: list[int] = []  # of fire and detector, from 1; empty: the zone's first two, or 7
    zone: str = ""
    factor: float = 1.2  # of overload: of the feeder's rated power
    at_floor: bool = False  # of entrapment: shut in at a landing instead of between two
    share: float = 0.3  # of bus-noise: of the answers of the unit's bus
    delay_ms: int = 1_500  # of slow-device
    seconds: float = 3_600.0  # of clock-jump: how far the clock is put on, or back
    percent: float = 12.0  # of fuel-low: what is left in the tank
    clear: bool = False


class Cause(Struct, frozen=True):
    """What is wrong at the moment, and since when."""

    name: str
    unit: str
    detectors: list[int]
    at: int  # Unix ms


Act = Callable[[Building, Request, int], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a cause is set and cleared; both get the unit."""

    fits: Callable[[Building], list[str]]
    start: Act
    clear: Act | None  # None: it is done in a moment, and cannot be undone
    takes: tuple[str, ...] = ()  # fields of a request that mean something to it
