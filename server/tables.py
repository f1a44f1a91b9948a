"""Every table, in one metadata: what migrations must arrive at."""

from sqlmodel import SQLModel

from server import causes_store, ingest_store, timers, unit, watermarks
from server.alarms import store as alarms
from server.emergency import store as emergency
from server.flags import store as flags
from server.notify import store as notify
from server.orders import store as orders
from server.people import store as people
from server.rulebook import store as rulebook

OWNERS = (
    alarms,
    causes_store,
    emergency,
    flags,
    ingest_store,
    notify,
    orders,
    people,
    rulebook,
    timers,
    unit,
    watermarks,
)
METADATA = SQLModel.metadata
