"""The screens that Streamlit draws itself: what a person reads at leisure. One file each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.client import Server
from watchkeeper.quality import third
from watchkeeper.texts import Texts


@dataclass(frozen=True, slots=True)
class Visit:
    """One run of the script for one person: how to ask the server, and in which words to answer."""

    server: Server
    session: str
    texts: Texts
    language: str

    def get(self, path: str, **query: str | float) -> Any:
        """Return the server's answer for this person, None when there is none."""
        return self.server.get(path, self.session, **query)

    def post(self, path: str, **body: object) -> str:
        """Do something as this person; return "" when it was done, else why not, in words."""
        problem = self.server.post(path, self.session, body)
        if problem is None:
            return ""
        return self.texts(problem.code, self.language, **problem.facts)

    def ask(self, path: str, **body: object) -> Any:
        """Return the server's answer to a question with a body, None when it is refused."""
        return self.server.ask(path, self.session, body)

    def now(self) -> datetime:
        """Return the server's time, aware."""
        return self.server.now()

    def t(self, key: str, **facts: object) -> str:
        """Return a text of the screens in the person's language."""
        return self.texts(f"screens.{key}", self.language, **facts)

    def quality(self, code: int) -> str:
        """Return the word of a quality code; one nobody knows takes that of its third."""
        known = f"quality.code-{code}" in self.texts.by_key
        return self.texts(f"quality.code-{code if known else int(third(code))}", self.language)

    def pick(self, both: dict[str, str] | str | None) -> str:
        """Return one language of a text that the server sent in both."""
        if isinstance(both, dict):
            return both.get(self.language) or both.get("en", "")
        return both or ""
