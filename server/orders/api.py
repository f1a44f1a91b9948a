"""HTTP face of work orders: what the board and the technician use, and the one-tap page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from server import pages
from server.http import Do, SignedIn, User
from server.orders import decide, handlers
from server.orders.model import Actor, Link, Move, Order, State, Verb, Words
from server.orders.ports import Book, Desk
from server.orders.store import shown
from server.unit import Unit
from watchkeeper.clock import Clock
from watchkeeper.documents import Text
from watchkeeper.errors import Refused
from watchkeeper.ids import OrderId, PersonId
from watchkeeper.texts import Texts

Spoken = Literal[
    "accept", "decline", "depart", "arrive", "start", "hold", "resume", "done", "verify",
    "reject", "close", "cancel", "duplicate",
]  # fmt: skip
Said = Annotated[str, Field(max_length=500)]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_OFFERED = frozenset({State.TRIAGED, State.ASSIGNED})


class Report(BaseModel, frozen=True, extra="forbid"):
    """What a person says with a move."""

    reason: Said = ""
    note: Said = ""
    cause: Said = ""
    remedy: Said = ""


class Assignment(BaseModel, frozen=True, extra="forbid"):
    """Whom an operator sends."""

    person: PersonId


@dataclass(frozen=True, slots=True)
class Counter:
    """What the routes work with."""

    do: Do
    book: Book
    desk: Callable[[Unit], Desk]
    words: Callable[[], Words]
    place: Callable[[str], Text]
    texts: Texts
    clock: Clock
    home: str  # address of the dashboard


def routes(counter: Counter) -> APIRouter:
    """Return the routes under /orders."""
    router = APIRouter(prefix="/orders", tags=["orders"])

    @router.get("")
    def orders(
        user: SignedIn,
        *,
        open_: Annotated[bool, Query(alias="open")] = True,
        mine: bool = False,
    ) -> list[dict[str, object]]:
        """Return open orders, the most urgent first; `open=false`: all, the latest move first."""
        return listed(counter, user, only_open=open_, person=user.id if mine else None)

    @router.get("/{order}")
    def one(order: OrderId, user: SignedIn) -> dict[str, object]:
        """Return one order; 404 when there is none of this id."""
        found = counter.book.get(order)
        return shown(found, counter.words(), _actor(user), counter.clock.now())

    @router.post("/{order}/assign")
    def assign(order: OrderId, body: Assignment, user: SignedIn) -> dict[str, object]:
        """Send a technician. 409 when the order's state does not allow it."""
        return _move(order, Move(Verb.ASSIGN, person=body.person), user)

    @router.post("/{order}/{verb}")
    def move(
        order: OrderId, verb: Spoken, user: SignedIn, body: Report | None = None
    ) -> dict[str, object]:
        """Move an order on. 409 with its state and who has it when that is not possible now."""
        said = body or Report()
        command = Move(Verb(verb), said.reason, said.note, said.cause, said.remedy)
        return _move(order, command, user)

    def _move(order: OrderId, command: Move, user: User) -> dict[str, object]:
        actor = _actor(user)
        after = counter.do(lambda unit: handlers.move(order, command, actor, counter.desk(unit)))
        return shown(after, counter.words(), actor, counter.clock.now())

    return router


def listed(
    counter: Counter, user: User, *, only_open: bool = True, person: PersonId | None = None
) -> list[dict[str, object]]:
    """Return orders as this person is shown them; the snapshot of the stream too."""
    found = counter.book.find(only_open=only_open, person=person)
    words, now = counter.words(), counter.clock.now()
    return [shown(order, words, _actor(user), now) for order in found]


def for_viewer(body: Mapping[str, Any], user: User) -> dict[str, Any]:
    """Return an order as it is told to everyone, with what this viewer may do."""
    may = decide.may(
        State(body["state"]), body["person"], _actor(user), life_safety=body["life_safety"]
    )
    return {**body, "may": list(may)}


def go_routes(counter: Counter) -> APIRouter:
    """Return the one-tap page: looking never acts, only its button does."""
    router = APIRouter(prefix="/go", include_in_schema=False)
    accepts = Annotated[str, Header(alias="accept-language")]

    @router.get("/{token}")
    def look(token: str, languages: accepts = "") -> HTMLResponse:
        """Show the order and the button."""
        tell = _Tell(counter, pages.language(languages))
        try:
            link = counter.book.link(decide.link_hash(token))
            order = counter.book.get(link.order)
        except KeyError:
            return tell.unknown()
        return tell.offer(order, link)

    @router.post("/{token}")
    def accept(token: str, languages: accepts = "") -> HTMLResponse:
        """Accept the order as the person of the link."""
        tell = _Tell(counter, pages.language(languages))
        try:
            order = counter.do(lambda unit: handlers.accept_by_link(token, counter.desk(unit)))
        except KeyError:
            return tell.unknown()
        except Refused as refused:
            link = counter.book.link(decide.link_hash(token))
            return tell.over(counter.book.get(link.order), refused.code)
        return tell.accepted(order)

    return router


class _Tell:
    """The pages of a link, in one language."""

    def __init__(self, counter: Counter, lang: str) -> None:
        self._counter, self._lang = counter, lang
        self._words = counter.words()

    def offer(self, order: Order, link: Link) -> HTMLResponse:
        """Show what is to be done and the button; 410 when it is too late for it."""
        expired = link.expires_at <= self._counter.clock.now()
        others = order.person not in {None, link.person}
        if link.used_at is not None or expired or others or order.state not in _OFFERED:
            return self.over(order, "orders.link-expired" if expired else "")
        card = self._card(order, ("m", self._say("for", person=self._words.name(link.person))))
        return self._page(card, pages.button(self._say("accept")))

    def accepted(self, order: Order) -> HTMLResponse:
        """Say that the order is now theirs, and where it goes on."""
        card = self._card(order, ("done", self._say("accepted")), ("", self._say("accepted-hint")))
        return self._page(card, pages.way(self._say("open"), f"{self._counter.home}/mine"))

    def over(self, order: Order, code: str) -> HTMLResponse:
        """Say why the button is gone: who has the order, or that the link is too old."""
        if order.person is not None and order.state not in _OFFERED:
            line = self._say("taken", person=self._words.name(order.person))
        else:
            line = self._say("expired" if code == "orders.link-expired" else "gone")
        return self._page(self._card(order, ("done", line)), status=410)

    def unknown(self) -> HTMLResponse:
        """Say that there is no such link."""
        card = pages.card(self._say("unknown"), [("", self._say("unknown-hint"))])
        return self._page(card, status=404)

    def _card(self, order: Order, *lines: tuple[str, str]) -> str:
        place = self._counter.place(order.place)
        about = [
            ("", self._of(place)),
            ("m", self._since(self._counter.clock.now() - order.opened_at)),
        ]
        label = self._say(f"priority-{order.priority}")
        picture = pages.mark(order.priority, label)
        return pages.card(self._of(order.title), [*about, *lines], picture)

    def _since(self, past: timedelta) -> str:
        if past < HOUR:
            span = self._say("minutes", n=past // MINUTE)
        elif past < DAY:
            span = self._say("hours", h=past // HOUR, m=f"{past % HOUR // MINUTE:02}")
        else:
            span = self._say("days", n=past // DAY)
        return self._say("since", span=span)

    def _page(self, *parts: str, status: int = 200) -> HTMLResponse:
        return pages.page(self._say("heading"), self._lang, *parts, status=status)

    def _say(self, key: str, **facts: object) -> str:
        return self._counter.texts(f"orders.go.{key}", self._lang, **facts)

    def _of(self, text: Text) -> str:
        return text.zh if self._lang == "zh" else text.en


def _actor(user: User) -> Actor:
    return Actor(user.id, user.roles)
