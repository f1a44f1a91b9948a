"""History stores behind the History port."""

from watchkeeper.clock import Clock
from watchkeeper.errors import ConfigError
from watchkeeper.history import History
from watchkeeper.settings import Settings

_OWN_BUSINESS = {
    "thin_after_h": "thins",
    "keep_telemetry_days": "drops",
    "keep_events_days": "drops",
}


def open_history(settings: Settings, site_id: str, clock: Clock, *, writable: bool) -> History:
    """Return the store that [history] names: a file of the site, or a database of InfluxDB.

    Raises ConfigError: the embedded store is written by another process, or of a later layout;
    or a database is to thin or drop readings, which is its own business.
    """
    if settings.history.store == "influx":
        for key, does in _OWN_BUSINESS.items():
            if getattr(settings.history, key):
                raise ConfigError(
                    where=f"history.{key}",
                    what=f"only the embedded store {does} its readings",
                    fix="set it to 0 and give the database a retention of its own",
                )
        from adapters.history.influx import InfluxHistory  # noqa: PLC0415 - only who uses it

        return InfluxHistory(settings.history, site_id, clock=clock)
    from adapters.history.embedded import EmbeddedHistory  # noqa: PLC0415 - likewise

    path = settings.data / "history" / f"{site_id}.db"
    return EmbeddedHistory(path, clock=clock, writable=writable)
