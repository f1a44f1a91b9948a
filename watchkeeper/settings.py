"""Everything one can configure: watchkeeper.toml, overridden by WATCHKEEPER_… (docs/settings.md).

One strict file: unknown keys are refused, every number has its unit in its name and its bounds in
its type. Secrets never stand in the file.
"""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator

from watchkeeper.errors import ConfigError


class _Section(BaseModel, frozen=True, extra="forbid"):
    """A section of the file."""


class Ports(_Section):
    """[ports] what the programs listen on; `--port-base` shifts all together."""

    dashboard: int = Field(8501, ge=1, le=65535, description="what a person opens")
    api: int = Field(8500, ge=1, le=65535)
    simulators: int = Field(15019, ge=0, le=65535, description="control of the simulators")
    metrics: int = Field(0, ge=0, le=65535, description="of the edge, for Prometheus; 0: none")


class Mqtt(_Section):
    """[mqtt] the broker every program talks to."""

    host: str = "127.0.0.1"
    port: int = Field(1883, ge=1, le=65535)
    username: str = ""
    password: SecretStr | None = Field(None, description="only as WATCHKEEPER_MQTT__PASSWORD")
    protocol: Literal["5", "3.1.1"] = Field("5", description="3.1.1 is the fallback, logged once")
    keepalive_s: int = Field(10, ge=2)
    tls: bool = Field(default=False, description="encrypted; the broker must prove itself")
    ca: Path | None = Field(None, description="who signs the broker; none: this machine's list")
    certificate: Path | None = Field(None, description="of ours, where the broker asks for one")
    key: Path | None = Field(None, description="of the certificate")


class HistorySettings(_Section):
    """[history] where readings are kept."""

    store: Literal["embedded", "influx"] = "embedded"
    url: str = Field("http://127.0.0.1:8086", description="of InfluxDB")
    database: str = Field("watchkeeper", description="database (1.x) or bucket (2.x, 3.x)")
    org: str = ""
    write_path: Literal["v2", "v1"] = Field("v2", description="v1 for InfluxDB before 1.8")
    thin_after_h: int = Field(
        0, ge=0, description="embedded: keep one value in 15 min of what is older; 0 keeps all"
    )
    keep_telemetry_days: int = Field(
        0, ge=0, description="embedded: of older samples summaries alone are kept; 0 keeps all"
    )
    keep_events_days: int = Field(
        0, ge=0, description="the same for states, faults and life safety; not fewer days"
    )
    token: SecretStr | None = Field(None, description="only as WATCHKEEPER_HISTORY__TOKEN")
    username: str = Field("", pattern="^[^:]*$", description="of InfluxDB 1.x, instead of a token")
    password: SecretStr | None = Field(None, description="only as WATCHKEEPER_HISTORY__PASSWORD")
    ca: Path | None = Field(None, description="who signs InfluxDB; none: this machine's list")

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if bool(self.username) != (self.password is not None):
            raise ValueError("username and password go together")
        if self.username and self.token:
            raise ValueError("a token, or username and password, not both")
        if self.ca and not self.url.startswith("https:"):
            raise ValueError("ca is of use only with a url that begins with https:")
        return self

    @model_validator(mode="after")
    def _events_are_kept_longer(self) -> Self:
        if self.keep_events_days and not 0 < self.keep_telemetry_days <= self.keep_events_days:
            raise ValueError("keep_events_days must be 0 or not below keep_telemetry_days, above 0")
        return self


class Smtp(_Section):
    """[smtp] mail for notifications and reports; without a host no mail is sent."""

    host: str = ""
    port: int = Field(25, ge=1, le=65535)
    sender: str = "watchkeeper@localhost"
    username: str = ""
    password: SecretStr | None = Field(None, description="only as WATCHKEEPER_SMTP__PASSWORD")
    encryption: Literal["none", "starttls", "tls"] = "none"


class Server(_Section):
    """[server] the API."""

    host: str = "127.0.0.1"
    database: str = Field("", description="SQLAlchemy URL; empty: SQLite under the data folder")
    public_url: str = Field(
        "http://127.0.0.1:8501", description="what links and QR codes carry; its origin may post"
    )
    webhook_url: str = Field("", description="where every message goes as well, signed")


class Dashboard(_Section):
    """[dashboard] the operations view."""

    host: str = "127.0.0.1"
    server_url: str = Field("", description="where the API is; empty: ports.api on this machine")


class Report(_Section):
    """[report] PDF and Excel."""

    font: str = Field("", description="a CJK font file or family; empty: look for a known one")


class Settings(_Section):
    """All sections, and the folders."""

    data: Path = Path("var")
    site: Path = Field(
        Path("riverside-plaza"), description="a site file, or the name of one of the catalog"
    )
    catalog: Path | None = Field(None, description="instead of the catalog in the wheel")
    mqtt: Mqtt = Mqtt()
    history: HistorySettings = HistorySettings()
    smtp: Smtp = Smtp()
    server: Server = Server()
    dashboard: Dashboard = Dashboard()
    report: Report = Report()
    ports: Ports = Ports()

    def catalog_folder(self) -> Path:
        """Return the catalog in use: the given one, or the one that is installed with us."""
        return self.catalog or Path(__file__).resolve().parent.parent / "catalog"

    def site_file(self) -> Path:
        """Return the site file; a bare name means one of the catalog's sites."""
        return self.site if self.site.suffix else self.catalog_folder() / f"sites/{self.site}.yaml"


def load(path: Path | None, environment: dict[str, str] | None = None) -> Settings:
    """Return the settings of the file, overridden by WATCHKEEPER_SECTION__KEY of the environment.

    Raises ConfigError: no such file, no TOML, an unknown key, a value out of bounds.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                where=str(path), what=f"cannot be read: {error}", fix="check --config"
            ) from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(where=str(path), what=str(error), fix="correct the line") from error
    for name, value in (os.environ if environment is None else environment).items():
        if name.startswith("WATCHKEEPER_"):
            section, _, key = name.removeprefix("WATCHKEEPER_").lower().partition("__")
            if key:
                values.setdefault(section, {})[key] = value
            else:
                values[section] = value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(step) for step in first["loc"])
        raise ConfigError(
            where=str(path or "environment"),
            what=f"{field}: {first['msg']}",
            fix="see docs/settings.md for the keys and their bounds",
        ) from error
