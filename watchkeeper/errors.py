"""Every error a person may read: a code that `catalog/i18n` has words for, and the facts they need.

WatchkeeperError
├── ConfigError     a file or setting the operator wrote
├── Refused         a command the present state does not allow (409)
├── Forbidden       a command the person's role does not allow (403)
├── NotPossible     a request that makes no sense as it stands (422)
└── Unreachable     a broker, store or channel that does not answer
"""

from typing_extensions import override


class WatchkeeperError(Exception):
    """A code, and the facts its sentence needs; never a sentence in the code."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code, facts)
        self.code, self.facts = code, facts


class ConfigError(WatchkeeperError):
    """A file the operator wrote does not make sense; its text is `where: what (fix)`."""

    def __init__(self, *, where: str, what: str, fix: str) -> None:
        super().__init__("config", where=where, what=what, fix=fix)
        self.where, self.what, self.fix = where, what, fix

    @override
    def __str__(self) -> str:
        """Return `file:line: what (fix)`, as `watchkeeper catalog check` prints it."""
        return f"{self.where}: {self.what} ({self.fix})"


class Refused(WatchkeeperError):  # noqa: N818 - a word of the domain: "Refused: ..."
    """The present state does not allow the command."""


class Forbidden(WatchkeeperError):  # noqa: N818 - likewise
    """The person's role does not allow the command."""


class NotPossible(WatchkeeperError):  # noqa: N818 - likewise
    """The request makes no sense as it stands; the facts name the field."""


class Unreachable(WatchkeeperError):  # noqa: N818 - likewise
    """A neighbour does not answer; facts: what, where."""
