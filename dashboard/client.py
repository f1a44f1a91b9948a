"""The server's API as the screens ask it: HTTP only, each request with the viewer's own cookie."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, NamedTuple

import httpx

from watchkeeper.errors import Unreachable

SESSION = "wk_session"
TIMEOUT_S = 8.0
PATIENT_S = 30.0  # a question over much history


class Problem(NamedTuple):
    """Why something was not done: a code that catalog/i18n has words for, and its facts."""

    code: str
    facts: dict[str, Any]


class Server:
    """Asks the server; shared by all sessions, so it remembers nobody: its jar takes no cookie."""

    def __init__(self, url: str) -> None:
        nothing = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False, cookies=nothing)

    def get(self, path: str, session: str, **query: str | float) -> Any:
        """Return the answer to GET /api/v1/<path>, None when there is none for this person.

        Raises Unreachable: the server is away, slow, or in trouble.
        """
        answer = self._ask(path, session, query)
        return answer.json() if answer.is_success else None

    def post(self, path: str, session: str, body: Mapping[str, object]) -> Problem | None:
        """Do POST /api/v1/<path> as this person; return None when it was done, else why not.

        Raises Unreachable: the server is away, or does not answer in time.
        """
        headers = {"authorization": f"Bearer {session}"}
        try:
            answer = self._http.post(f"/api/v1/{path}", json=body, headers=headers)
        except httpx.TransportError as error:
            raise Unreachable("screens.no-server", what="server", where=path) from error
        if answer.is_success:
            return None
        try:
            facts: dict[str, Any] = answer.json()
            return Problem(str(facts["type"]), facts)
        except (ValueError, KeyError, TypeError) as error:
            raise Unreachable("screens.no-server", what="server", where=path) from error

    def ask(self, path: str, session: str, body: Mapping[str, object]) -> Any:
        """Return the answer to POST /api/v1/<path>, which changes nothing; None when refused.

        Raises Unreachable: as `get`.
        """
        headers = {"authorization": f"Bearer {session}"}
        try:
            answer = self._http.post(
                f"/api/v1/{path}", json=body, headers=headers, timeout=PATIENT_S
            )
        except httpx.TransportError as error:
            raise Unreachable("screens.no-server", what="server", where=path) from error
        if answer.is_server_error:
            raise Unreachable("screens.no-server", what="server", where=path)
        return answer.json() if answer.is_success else None

    def now(self) -> datetime:
        """Return the server's time, aware, to the second; a screen asks with it, not with its own.

        Raises Unreachable: as `get`.
        """
        return parsedate_to_datetime(self._ask("health", "", {}).headers["date"])

    def _ask(self, path: str, session: str, query: dict[str, str | float]) -> httpx.Response:
        headers = {"cookie": f"{SESSION}={session}"}
        try:
            answer = self._http.get(f"/api/v1/{path}", params=query, headers=headers)
        except httpx.TransportError as error:
            raise Unreachable("screens.no-server", what="server", where=path) from error
        if answer.is_server_error:
            raise Unreachable("screens.no-server", what="server", where=path)
        return answer
