"""Every error a person may read: a code that `catalog/i18n` has words for, and the facts they need.

WatchkeeperError
├── ConfigError     a file or setting the operator wrote
├── Refused         a command the present state does not allow (409)
├── Forbidden       a command the person's role does not allow (403)
├── NotPossible     a request that makes no sense as it stands (422)
└── Unreachable     a broker, store or channel that does not answer
"""

from collections.abc import Sequence

from typing_extensions import override


class WatchkeeperError(Exception):
    """A code, and the facts its sentence needs; never a sentence in the code."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code, facts)
        self.code, self.facts = code, facts


class ConfigError(WatchkeeperError):
    """A file the operator wrote does not make sense; its text is `where: what (fix)`.

    It is the first of the mistakes found together; `others` are the rest.
    """

    def __init__(
        self, *, where: str, what: str, fix: str, others: Sequence["ConfigError"] = ()
    ) -> None:
        super().__init__("config", where=where, what=what, fix=fix)
        self.where, self.what, self.fix = where, what, fix
        self.others = tuple(others)

    @override
    def __str__(self) -> str:
        """Return a line `file:line: what (fix)` for each, as `watchkeeper catalog check` does."""
        return "\n".join(self.lines)

    @property
    def lines(self) -> list[str]:
        """Return what to print of each mistake."""
        return [f"{each.where}: {each.what} ({each.fix})" for each in self.all]

    @property
    def file(self) -> str:
        """Return what `where` names without its line."""
        return self.where.rpartition(":")[0] if self.line else self.where

    @property
    def line(self) -> int:
        """Return the line of the file, from 1; 0 where it is about no single one."""
        _, _, line = self.where.rpartition(":")
        return int(line) if line.isdecimal() else 0

    @property
    def all(self) -> tuple["ConfigError", ...]:
        """Return each mistake by itself."""
        return (self, *self.others)


class Refused(WatchkeeperError):  # noqa: N818 - a word of the domain: "Refused: ..."
    """The present state does not allow the command."""


class Forbidden(WatchkeeperError):  # noqa: N818 - likewise
    """The person's role does not allow the command."""


class NotPossible(WatchkeeperError):  # noqa: N818 - likewise
    """The request makes no sense as it stands; the facts name the field."""


class Unreachable(WatchkeeperError):  # noqa: N818 - likewise
    """A neighbour does not answer; facts: what, where."""


def together(mistakes: Sequence[ConfigError]) -> ConfigError:
    """Return one error that tells them all, none twice; there is at least one."""
    single = [each for mistake in mistakes for each in mistake.all]
    first, *others = {(each.where, each.what): each for each in single}.values()
    return ConfigError(where=first.where, what=first.what, fix=first.fix, others=others)
