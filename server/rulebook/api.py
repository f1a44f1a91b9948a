"""HTTP face of the rule book."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import sqlalchemy as sa
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from server.http import Do, SignedIn, User
from server.rulebook import handlers, store
from server.rulebook.model import Actor, Draft, Verb, view
from server.rulebook.ports import Here
from server.unit import Unit

LONGEST = 200_000

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Note: TypeAlias = Annotated[str, Field(max_length=500)]


class Asked(BaseModel, frozen=True, extra="forbid"):
    """Rules as YAML, schema wk.rules/1."""

    text: Text


class Wanted(Asked, frozen=True, extra="forbid"):
    """Rules that are to take effect, and why."""

    note: Note = ""


class Judged(BaseModel, frozen=True, extra="forbid"):
    """What is said with a decision."""

    note: Note = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the routes work with."""

    do: Do
    read: sa.Engine
    here: Callable[[Unit], Here]
    check: Callable[[str], dict[str, Any]]  # a text -> mistakes, or what it would watch
    drafts: Callable[[str, str], Sequence[Draft]]  # a text and a note; NotPossible: a mistake
    leaving: Callable[[str, str], Draft]  # a key and a note -> the rule is to leave; KeyError
    rules: Callable[[], list[dict[str, Any]]]  # all in effect
    rule: Callable[[str], dict[str, Any]]  # one, with its text; KeyError
    export: Callable[[], str]  # all in effect as one file


def routes(shelf: Shelf) -> APIRouter:
    """Return the routes under /rules."""
    router = APIRouter(prefix="/rules", tags=["rules"])
    _reading(router, shelf)
    _writing(router, shelf)
    return router


def _reading(router: APIRouter, shelf: Shelf) -> None:
    @router.get("")
    def rules(_: SignedIn) -> dict[str, Any]:
        """Return every rule in effect, and the versions that wait for somebody."""
        waiting = [view(each) for each in store.listed(shelf.read)]
        return {"rules": shelf.rules(), "waiting": waiting}

    @router.get("/export")
    def export(_: SignedIn) -> Response:
        """Return every rule in effect as one file."""
        head = {"Content-Disposition": 'attachment; filename="rules.yaml"'}
        return Response(shelf.export(), media_type="application/yaml", headers=head)

    @router.get("/{key}")
    def rule(key: str, _: SignedIn) -> dict[str, Any]:
        """Return a rule: its text, what it watches, all its versions."""
        versions = [view(each) for each in store.listed(shelf.read, key)]
        return shelf.rule(key) | {"versions": versions}

    @router.get("/{key}/revisions/{revision}")
    def revision(key: str, revision: int, _: SignedIn) -> dict[str, Any]:
        """Return a revision as it was written, for ever."""
        text = store.text_of(shelf.read, key, revision)
        current = None if text else shelf.rule(key)
        if current is not None and current["revision"] == revision:
            text = current["text"]
        if text is None:
            raise KeyError(f"{key} r{revision}")
        return {"key": key, "revision": revision, "text": text}


def _writing(router: APIRouter, shelf: Shelf) -> None:
    @router.post("/check")
    def check(body: Asked, _: SignedIn) -> dict[str, Any]:
        """Return the mistakes of a text with line and advice, or what it would watch."""
        return shelf.check(body.text)

    @router.post("/drafts", status_code=201)
    def draft(body: Wanted, user: SignedIn) -> list[dict[str, object]]:
        """Store rules as drafts, all or none. 422: a mistake, or a revision that is not new."""
        wanted = shelf.drafts(body.text, body.note)
        made = shelf.do(lambda unit: handlers.draft(wanted, _actor(user), shelf.here(unit)))
        return [view(each) for each in made]

    @router.post("/{key}/leave", status_code=201)
    def leave(key: str, body: Judged, user: SignedIn) -> dict[str, object]:
        """Draft that a rule leaves; somebody else approves it as any other version."""
        wanted = [shelf.leaving(key, body.note)]
        made = shelf.do(lambda unit: handlers.draft(wanted, _actor(user), shelf.here(unit)))
        return view(made[0])

    @router.post("/versions/{version}/{verb}")
    def move(version: str, verb: Verb, body: Judged, user: SignedIn) -> dict[str, object]:
        """Submit, approve or reject a version. 403: one's own; 409: its state."""

        def work(unit: Unit) -> dict[str, object]:
            actor = _actor(user)
            return view(handlers.move(version, verb, actor, shelf.here(unit), body.note))

        found: dict[str, object] = shelf.do(work)
        return found


def _actor(user: User) -> Actor:
    return Actor(user.id, user.roles)
