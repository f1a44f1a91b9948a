"""How thingsboard-gateway is set up for `benchmarks.edge_peer`: every file it reads."""

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]

VERSION: Final = "3.8.5"
# What the gateway would fetch by itself at its first start; other versions make it fetch again.
MODULES: Final = {"pymodbus": "3.9.2", "pyserial": "3.5", "pyserial_asyncio": "0.6"}
UNLIMITED: Final = "0:0,"  # its word for no rate limit
LIMITS: Final = ("messages", "telemetryMessages", "telemetryDataPoints")
LARGEST: Final = 1_000_000  # bytes of one message
LOGS: Final = (
    "database",
    "service",
    "connector",
    "converter",
    "tb_connection",
    "storage",
    "extension",
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to run the gateway."""

    storage: Literal["memory", "sqlite"]  # where readings wait until the broker has them
    report: Literal["ON_CHANGE", "DISABLED"]  # its words: only what changed; no filter: all
    period_ms: int  # from poll to poll

    @property
    def text(self) -> str:
        """Return the setting as a person reads it."""
        what = "on change" if self.report == "ON_CHANGE" else "every reading"
        return f"{what}, {self.storage} storage, polled every {self.period_ms} ms"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the gateway finds its devices and its platform."""

    hosts: tuple[str, ...]  # a device each
    modbus: int  # port
    broker: int  # port
    registers: int  # of a device, all read by one request
    folder: str  # for what it stores


def files(setting: Setting, place: Place) -> dict[str, Json]:
    """Return the content of each file of its configuration folder.

    At its best: one wide read a device, a connection each, no statistics, no remote configuration,
    no rate limit, nothing logged below an error, packs as large as they come.
    """
    return {
        "tb_gateway.json": _gateway(setting, place),
        "modbus.json": {
            "logLevel": "ERROR",
            "master": {"slaves": [_device(setting, place, host) for host in place.hosts]},
        },
        "logs.json": _logs(),
    }


def session_limits() -> Json:
    """Return the answer to getSessionLimits, without which the gateway sends nothing."""
    none = dict.fromkeys(LIMITS, "")
    return {
        "maxPayloadSize": LARGEST,
        "maxInflightMessages": 10_000,
        "rateLimits": none,
        "gatewayRateLimits": none,
    }


def _gateway(setting: Setting, place: Place) -> Json:
    limits = [
        *("rateLimits", "dpRateLimits", "messagesRateLimits"),
        *("deviceMessagesRateLimits", "deviceRateLimits", "deviceDpRateLimits"),
    ]
    return {
        "thingsboard": {
            "host": "127.0.0.1",
            "port": place.broker,
            "security": {"type": "accessToken", "accessToken": "bench"},
            "qos": 1,
            "reportStrategy": {"type": setting.report},
            "remoteShell": False,
            "remoteConfiguration": False,
            "statistics": {"enable": False, "enableCustom": False},
            "syncDevicesSharedAttributesOnConnect": False,
            "checkConnectorsConfigurationInSeconds": 3600,
            "maxPayloadSizeBytes": LARGEST,
            "minPackSendDelayMS": 1000,  # fewer, larger packs
            "minPackSizeToSend": 500,
            **dict.fromkeys(limits, UNLIMITED),
        },
        "storage": _storage(setting, place),
        "grpc": {"enabled": False},
        "connectors": [{"type": "modbus", "name": "bus", "configuration": "modbus.json"}],
    }


def _storage(setting: Setting, place: Place) -> Json:
    if setting.storage == "memory":
        return {"type": "memory", "read_records_count": 1000, "max_records_count": 1_000_000}
    return {
        "type": "sqlite",
        "data_file_path": f"{place.folder}/",
        "max_read_records_count": 1000,
        "writing_batch_size": 1000,
        "size_limit": 1024,  # MB
    }


def _device(setting: Setting, place: Place, host: str) -> Json:
    return {
        "host": host,
        "port": place.modbus,
        "type": "tcp",
        "method": "socket",
        "unitId": 1,
        "deviceName": host,
        "byteOrder": "BIG",
        "wordOrder": "BIG",
        "timeout": 10,
        "pollPeriod": setting.period_ms,
        "timeseries": [
            {
                "tag": "${address}",
                "type": "32float",
                "functionCode": 3,
                "address": f"0-{place.registers - 1}",
                "objectsCount": 2,
                "maxRegistersPerRequest": 125,
            }
        ],
    }


def _logs() -> Json:
    quiet = {"handlers": ["console"], "level": "ERROR", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": dict.fromkeys(LOGS, quiet),
        "root": {"level": "ERROR", "handlers": ["console"]},
    }
