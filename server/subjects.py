"""What each subject brings: routes, actions of timers, its part of the snapshot, its threads.

A subject adds a line to the functions below, its reactions to wiring.py and its tables to
tables.py; nothing else knows it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from fastapi import APIRouter

from server import causes_store
from server.alarms import api as alarms
from server.alarms import store as alarm_store
from server.dispatch import counter, desk, digest, door, doorman, messages, sender, url
from server.emergency import api as emergency
from server.emergency import store as emergency_store
from server.emergency.handlers import due
from server.energy import api as energy
from server.energy import store as energy_store
from server.energy.ports import Sources
from server.flags import api as flags
from server.flags import store as flag_store
from server.flags.model import TIMER as FLAG
from server.flags_here import expiry, switchboard
from server.http import Do, User
from server.notify import api as notify
from server.notify import store as notify_store
from server.orders import api as orders
from server.orders import handlers as order_handlers
from server.parts import Parts
from server.people import api as people
from server.plan_here import maker
from server.reactions import KIND as REACTION
from server.reactions import again
from server.rule_timers import calmed, ended, flood_over, settled
from server.rulebook import api as rulebook
from server.rules_here import shelf as rule_shelf
from server.stream import Own
from server.timers import Action, Timer
from server.unit import Unit
from server.writer import Writer


class Worker(Protocol):
    """A thread of a subject, such as the sender of deliveries."""

    def start(self) -> None:
        """Begin."""
        ...

    def close(self) -> None:
        """End, leaving everything in the tables."""
        ...


def routers(parts: Parts, do: Do) -> list[APIRouter]:
    """Return the routes under /api/v1."""
    return [
        flags.routes(switchboard(parts, do)),  # before /alarms/{alarm}
        rulebook.routes(rule_shelf(parts, do)),
        alarms.routes(do, parts.read, parts.new_id, partial(notify_store.told_of, parts.read)),
        energy.routes(_energy(parts), parts.clock, parts.printers),
        emergency.routes(do, parts.read, maker(parts), parts.plans),
        orders.routes(counter(parts, do)),
        notify.routes(do, parts.read, lambda unit: messages(unit, parts), url(parts)),
        people.routes(door(parts, do)),
    ]


def _energy(parts: Parts) -> Callable[[], Sources]:
    catalog, about = parts.settings.catalog_folder(), parts.plant.site.site
    sources = Sources(
        None,
        parts.plant,
        energy_store.tariffs(catalog / "tariffs"),
        energy_store.exchanges(catalog / f"exchanges/{about.id}.yaml", about.time_zone),
    )
    return lambda: replace(sources, history=parts.history.get())


def pages(parts: Parts, do: Do) -> list[APIRouter]:
    """Return the routes outside /api: /go/{token}."""
    return [orders.go_routes(counter(parts, do))]


def actions(parts: Parts) -> dict[str, Action]:
    """Return what timers do, by kind."""
    emergency_here = maker(parts)

    def plan_due(unit: Unit, timer: Timer) -> None:
        due(timer.kind, timer.subject, timer.generation, emergency_here(unit))

    def offer_over(unit: Unit, timer: Timer) -> None:
        order_handlers.offer_over(timer, desk(unit, parts))

    def offer_later(unit: Unit, timer: Timer) -> None:
        order_handlers.offer_later(timer, desk(unit, parts))

    def limit_over(unit: Unit, timer: Timer) -> None:
        order_handlers.limit_over(timer, desk(unit, parts))

    return {
        alarm_store.TIMER: ended(parts),
        alarm_store.CALM: calmed(parts),
        causes_store.SETTLED: settled(parts),
        causes_store.FLOODED: flood_over(parts),
        notify_store.DIGEST: digest(parts),
        FLAG: expiry(parts),
        order_handlers.OFFER: offer_over,
        order_handlers.OFFER_LATER: offer_later,
        order_handlers.RESPOND: limit_over,
        order_handlers.RESTORE: limit_over,
        REACTION: again,
        **dict.fromkeys(emergency_store.TIMER_KINDS, plan_due),
    }


def snapshot(parts: Parts, do: Do, user: User) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return what a screen that has missed too much is shown, by name."""
    return {
        "alarms": alarms.shown(parts.read),
        "flags": flag_store.shown(parts.read),
        "orders": orders.listed(counter(parts, do), user),
        "runs": emergency.shown(parts.read, parts.plans),
    }


def own(user: User) -> Own:
    """Return the kinds of change that are told to each viewer in its own way."""
    return {"order": lambda order: orders.for_viewer(order, user)}


def workers(parts: Parts, writer: Writer) -> list[Worker]:
    """Return the threads to run while the server does."""
    return [sender(parts, writer)]


def who(parts: Parts, do: Do) -> Callable[[str], User | None]:
    """Return the look-up from a session to its person."""
    return doorman(parts, do)
