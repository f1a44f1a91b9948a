"""HTTP face of messages: one's own inbox, and receipts of carriers."""

from collections.abc import Callable
from typing import Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel

from server.http import Do, SignedIn
from server.notify import handlers
from server.notify.model import told
from server.notify.store import SqlMessages, Url, inbox
from server.unit import Unit

SHOWN = 100  # messages in one answer


class Receipt(BaseModel, frozen=True, extra="forbid"):
    """What a carrier reports."""

    kind: Literal["delivered", "read"]


def routes(do: Do, read: sa.Engine, messages: Callable[[Unit], SqlMessages], url: Url) -> APIRouter:
    """Return the routes of messages; `read` is for reading."""
    router = APIRouter(tags=["messages"])

    @router.get("/inbox")
    def mine(user: SignedIn) -> list[dict[str, Any]]:
        """Return one's own messages, the newest first."""
        return [
            told(message, deliveries, url(message.nonce) if message.nonce else "")
            for message, deliveries in inbox(read, user.id, SHOWN)
        ]

    @router.post("/inbox/{message}/read", status_code=204)
    def seen(message: str, user: SignedIn) -> None:
        """Say: read. 404 when it is somebody else's."""
        do(lambda unit: handlers.read(message, user.id, messages(unit), unit.now))

    @router.post("/deliveries/{delivery}/receipt", status_code=204)
    def receipt(delivery: str, body: Receipt, user: SignedIn) -> None:
        """Report for a carrier what became of a message it accepted; for operators' programs."""
        user.need("operator")
        do(lambda unit: handlers.receipt(delivery, body.kind, messages(unit)))

    return router
