"""One value of one point at one instant, where a rule or a person looks at it."""

from dataclasses import dataclass
from datetime import datetime

from watchkeeper.ids import PointId
from watchkeeper.quality import is_bad


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one point, in the point's unit, at one instant."""

    point: PointId
    at: datetime  # aware, UTC: when the edge read it, not when it arrived
    value: float | None  # None exactly when the quality is bad
    quality: int  # of watchkeeper.quality.Quality; unknown codes keep their third

    def __post_init__(self) -> None:
        """Refuse a value whose quality says there is none, and the other way round."""
        if (self.value is None) != is_bad(self.quality):
            raise ValueError(f"{self.point}: a value and its quality disagree: {self}")
