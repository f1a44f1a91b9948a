"""How a report writes numbers and moments; the reader's language is chosen here, once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from watchkeeper.texts import Texts

MINUS, NOTHING = "\N{MINUS SIGN}", "–"


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one report in one language."""

    texts: Texts
    language: str  # "zh" or "en"
    zone: ZoneInfo

    def __call__(self, key: str, **facts: object) -> str:
        """Return the text `energy.<key>`."""
        return self.texts(f"energy.{key}", self.language, **facts)

    def name(self, both: Mapping[str, str]) -> str:
        """Return a name in the reader's language."""
        return both[self.language]

    def currency(self, code: str) -> str:
        """Return how the reader writes the currency: its code where we have no word."""
        key = f"energy.currency-{code.lower()}"
        return self.texts(key, self.language) if key in self.texts.by_key else code

    def month_name(self, number: int) -> str:
        """Return "10" or "October"."""
        return self("months").split()[number - 1]

    def moment(self, unix_ms: int) -> str:
        """Return an instant as the site's clocks show it."""
        at = datetime.fromtimestamp(unix_ms / 1000, self.zone)
        return self("moment", month=self.month_name(at.month), day=at.day, clock=f"{at:%H:%M}")

    def title(self, month: str) -> str:
        """Return the title of the report of "2026-10"."""
        return self("title", year=month[:4], month=self.month_name(int(month[5:])))


def number(value: Decimal | float | None, places: int = 0) -> str:
    """Return "228,460.37": rounded half-up, grouped; a dash for what is not known."""
    if value is None:
        return NOTHING
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{rounded:,}".replace("-", MINUS)


def percent(share: float | Decimal | None, places: int = 1, *, sign: bool = False) -> str:
    """Return "98.7%" for 0.987, with a sign where it is a change."""
    if share is None:
        return NOTHING
    text = number(Decimal(str(share)) * 100, places)
    return f"{'+' if sign and Decimal(str(share)) > 0 else ''}{text}%"


def coverage(share: float) -> str:
    """Return a coverage, rounded down: 99.96 % is not 100 %."""
    return f"{int(share * 1000 + 1e-9) / 10:.1f}%"


def ratio(part: Any, whole: Any) -> Decimal | None:
    """Return part / whole; None where it means nothing."""
    return Decimal(part) / Decimal(whole) if part is not None and whole else None
