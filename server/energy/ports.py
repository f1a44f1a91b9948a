"""What energy needs: readings, the site, the tariffs, and someone who prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from server.energy.model import Exchange, Tariff
from watchkeeper.history import History
from watchkeeper.ids import UnitId
from watchkeeper.site import Plant


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures of a report come from."""

    history: History | None  # None: the store could not be opened
    plant: Plant
    tariffs: Sequence[Tariff]
    exchanges: Mapping[UnitId, Sequence[Exchange]] = field(default_factory=dict)


class Printer(Protocol):
    """Makes a file of a report; the same report gives the same bytes."""

    def __call__(self, report: Mapping[str, Any], language: str, /) -> bytes:
        """Return the file.

        Args:
            report: A MonthReport in builtins, money and energy as Decimal.
            language: "zh" or "en".

        Raises NotPossible: something it needs is missing, e.g. a font (energy.no-font).
        """
        ...
