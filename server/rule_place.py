"""Where a rule, or what a site says otherwise of it, stands: for errors with file, line and fix."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from watchkeeper import documents
from watchkeeper.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Where:
    """The place of an entry in its file."""

    file: str
    text: str
    number: int
    section: str = "rules"

    def refuse(self, what: str, fix: str, *steps: str) -> ConfigError:
        """Return what is wrong, at the line of a field of the entry, or of the entry."""
        line = documents.line_of(self.text, self.section, str(self.number), *steps)
        return ConfigError(where=f"{self.file}:{line}", what=what, fix=fix)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return what to do about a name that is not known: the nearest one, or some of all."""
    names = sorted(set(known))
    if near := get_close_matches(name, names, 1):
        return f"did you mean `{near[0]}`?"
    return f"use one of {', '.join(names[:12])}" if names else "there is none to choose from"
