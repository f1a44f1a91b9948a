"""Every table, in one metadata: what migrations must arrive at."""

from sqlmodel import SQLModel

from server import ingest_store, timers, unit
from server.alarms import store as alarms
from server.emergency import store as emergency
from server.flags import store as flags
from server.notify import store as notify
from server.orders import store as orders
from server.people import store as people

OWNERS = (alarms, emergency, flags, ingest_store, notify, orders, people, timers, unit)
METADATA = SQLModel.metadata
