"""Who must be heard of, and is: the site, its edges, its fire panels and lifts. Pure.

Unknown is not lost: where the edge is lost nobody knows how its units are, and their last word
counts for nothing.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

EN_54_21_S: Final = 100.0  # type 1: a transmission fault is told within this (EN 54-21, 5.3)

State: TypeAlias = Literal["ok", "unknown", "lost"]
WORST: Final[tuple[State, ...]] = ("ok", "unknown", "lost")


@dataclass(frozen=True, slots=True)
class Supervised:
    """One who must be heard of."""

    kind: Literal["site", "edge", "unit"]
    id: str
    edge: str  # "" for the site
    rule: str  # whose alarm says that it is lost
    allowed_s: float  # of silence
    heard: int | None  # when it was heard of last, Unix ms; None: never
    state: State
    since: int | None  # when it became so, as far as silence tells, Unix ms; None: it is ok


def judged(heard: int | None, allowed_s: float, now: int, *, blind: bool) -> State:
    """Return how somebody is.

    Args:
        heard: Of it last, Unix ms; None: never.
        allowed_s: Of silence.
        now: Unix ms.
        blind: Nothing can be heard of it, so its silence means nothing.
    """
    if blind or heard is None:
        return "unknown"
    return "lost" if now - heard > allowed_s * 1000 else "ok"


def since(state: State, heard: int | None, allowed_s: float) -> int | None:
    """Return from when on it was so: lost, when the allowed silence was over."""
    if state == "ok" or heard is None:
        return None
    return heard if state == "unknown" else heard + round(allowed_s * 1000)


def whole(site: str, edges: list[Supervised], allowed_s: float) -> Supervised:
    """Return the site: as good as its worst edge, heard of when that was."""
    states: list[State] = [each.state for each in edges]
    state: State = max(states, key=WORST.index) if states else "unknown"
    heard = [each.heard for each in edges if each.state == state and each.heard is not None]
    began = [each.since for each in edges if each.state == state and each.since is not None]
    return Supervised(
        "site", site, "", "edge-lost", allowed_s, min(heard, default=None), state,
        min(began, default=None),
    )  # fmt: skip
