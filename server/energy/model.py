"""The words of energy: meters, facts of a quarter of an hour, tariffs, the report of a month."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from watchkeeper.batch import Floats, Marks, Times
from watchkeeper.documents import Text
from watchkeeper.ids import PointId, UnitId

QUARTER_MS = 900_000  # the width of a fact: bands and demand change on quarter hours
HUNDREDTHS = 100  # facts are whole hundredths of a kWh, as meters show them: every sum is exact
CEILING_KW = 20_000.0  # of a meter without a rating: no building draws more through one meter
Hundredths: TypeAlias = npt.NDArray[np.int64]

ABSENT, MEASURED, INTERPOLATED = 0, 1, 2  # how the energy of a fact is known


@dataclass(frozen=True, slots=True)
class Counter:
    """An energy register and what it can do."""

    scale: float = 1.0  # kWh = value * scale (0.001 for Wh)
    rollover_kwh: float | None = None  # the first value the register cannot show
    ceiling_kw: float = (
        20_000.0  # no more can flow through this meter: what exceeds it is no energy
    )
    gap_ms: int = QUARTER_MS  # readings further apart than this leave a gap in time


@dataclass(frozen=True, slots=True)
class Exchange:
    """A confirmed change at a meter: replaced, reset, or its transformer ratio changed."""

    out_at: int  # Unix ms
    last: float  # what the register showed then, in the point's unit
    in_at: int  # Unix ms; later than out_at when the meter was away
    first: float  # what the register (of the new meter) showed then
    factor: float = 1.0  # kWh a register unit from then on, relative to before the first exchange


@dataclass(frozen=True, slots=True)
class Break:
    """A step of the register that nobody has confirmed: the energy across it is unknown."""

    at: int  # Unix ms of the reading after the step
    before: float  # kWh
    after: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What a meter is known to have passed in each of n spans of time."""

    edges: Times  # (n + 1,) Unix ms
    energy: Hundredths  # (n,) of a kWh; meaningless where the method is ABSENT
    interpolated: Hundredths  # (n,) the part of it that is spread over a gap
    measured_ms: Floats  # (n,) time between readings that are close together
    bounded_ms: Floats  # (n,) time between any two readings: its energy is known as a sum
    breaks: tuple[Break, ...] = ()

    @property
    def span_ms(self) -> Times:
        """Return the length of each span, (n,)."""
        return np.diff(self.edges)

    @property
    def method(self) -> Marks:
        """Return ABSENT, MEASURED or INTERPOLATED (at least in part) for each span, (n,)."""
        whole = np.where(self.bounded_ms > self.measured_ms + 0.5, INTERPOLATED, MEASURED)
        return np.where(self.bounded_ms > 0, whole, ABSENT).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter of the site and its place in the tree."""

    unit: UnitId
    point: PointId
    name: Text
    counter: Counter
    parent: UnitId | None  # the meter that feeds it; None: an incoming (main) meter


@dataclass(frozen=True, slots=True)
class Calendar:
    """The n quarter hours of a local month that are over, as the site's clocks show them."""

    month: str  # "2026-10"
    edges: Times  # (n + 1,) Unix ms
    day: npt.NDArray[np.int64]  # (n,) day of the month, from 1
    weekday: npt.NDArray[np.int64]  # (n,) 0 Monday .. 6 Sunday
    minute: npt.NDArray[np.int64]  # (n,) minute of the day at the beginning
    month_open: bool  # the month is not over yet


# --- tariffs (catalog/tariffs, schema wk.tariff/1) ---

TARIFF_SCHEMA = "wk.tariff/1"
BandId = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=24)]
Date = Annotated[str, Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])-01$")]  # tariffs change with a month
OpenDate = Annotated[str, Meta(pattern=r"^(\d{4}-(0[1-9]|1[0-2])-01)?$")]
HourMinute = Annotated[str, Meta(pattern=r"^(([01]\d|2[0-3]):(00|15|30|45)|24:00)$")]
MonthNumber = Annotated[int, Meta(ge=1, le=12)]
Days: TypeAlias = Literal["all", "weekday", "weekend"]
WEEKDAYS: Mapping[Days, range] = {"all": range(7), "weekday": range(5), "weekend": range(5, 7)}


class Band(Struct, frozen=True, forbid_unknown_fields=True):
    """A band of the tariff and its price."""

    id: BandId
    name: Text
    price: Decimal  # currency a kWh
    over: list[str] = []  # bands whose slots it may cover: sharp over peak


class Slot(Struct, frozen=True, forbid_unknown_fields=True):
    """A span of the day; one that ends before it begins runs over midnight."""

    band: str
    start: HourMinute = msgspec.field(name="from")
    end: HourMinute = msgspec.field(name="to")


class Season(Struct, frozen=True, forbid_unknown_fields=True):
    """The slots of some months and days of the week."""

    months: Annotated[list[MonthNumber], Meta(min_length=1)]
    slots: Annotated[list[Slot], Meta(min_length=1)]
    days: Days = "all"


class Tariff(Struct, frozen=True, forbid_unknown_fields=True):
    """A time-of-use tariff, valid from one month to another."""

    name: Text
    version: str
    source: Text  # where bands and prices were seen, and how far they can be trusted
    valid_from: Date
    bands: Annotated[list[Band], Meta(min_length=1)]
    seasons: Annotated[list[Season], Meta(min_length=1)]
    valid_to: OpenDate = ""  # the first month it does not hold for; "": until further notice
    currency: str = "CNY"
    rounding: Literal["lines"] = "lines"  # each line half-up to 0.01, the total is their sum


# --- the report of a month: its JSON is what GET /api/v1/energy/month answers ---


@dataclass(frozen=True, slots=True)
class BandLine:
    """The energy and cost of one band; the price and cost are of the report's currency."""

    band: str
    name: Text
    kwh: Decimal
    price: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class DayLine:
    """A local day."""

    day: str  # "2026-10-01"
    kwh: Decimal | None  # None: nothing is known
    interpolated_kwh: Decimal
    coverage: float


@dataclass(frozen=True, slots=True)
class MeterLine:
    """A meter's month."""

    unit: UnitId
    name: Text
    kwh: Decimal | None
    interpolated_kwh: Decimal
    coverage: float  # share of the time between readings that are close together, 0..1
    energy_coverage: float  # share of the time whose energy is bounded by readings, 0..1
    role: Literal["main", "sub"]
    parent: UnitId | None


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest mean power of a quarter hour (fixed blocks, not a sliding window)."""

    kw: float
    at: int  # Unix ms, the beginning


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """A meter against the meters it feeds, over the time all of them are known."""

    unit: UnitId
    name: Text
    own: Decimal
    children: Decimal
    loss: Decimal  # may be negative; never clipped
    coverage: float  # share of the month's time that is compared


@dataclass(frozen=True, slots=True)
class Mark:
    """Something in a register that a person should confirm."""

    unit: UnitId
    name: Text
    at: int  # Unix ms
    before: float  # kWh
    after: float


@dataclass(frozen=True, slots=True)
class Worst:
    """The main meter of which the least is known."""

    unit: UnitId
    name: Text
    coverage: float


@dataclass(frozen=True, slots=True)
class TariffName:
    """Which tariff the prices are from."""

    name: Text
    version: str
    valid_from: str
    source: Text
    rounding: str


@dataclass(frozen=True, slots=True)
class Place:
    """The site the report is about."""

    id: str
    name: Text
    time_zone: str
    area_m2: float  # 0: not known


@dataclass(frozen=True, slots=True)
class MonthReport:
    """What a month used; every sum of it adds up."""

    month: str  # "2026-10"
    site: Place
    currency: str
    total_kwh: Decimal  # of the main meters
    interpolated_kwh: Decimal  # the part of it spread over gaps
    coverage: float  # mean over the main meters
    energy_coverage: float
    worst: Worst
    previous_kwh: Decimal | None  # of the whole month before
    previous_coverage: float | None
    cost: Decimal | None  # None: no tariff is valid for the month
    bands: list[BandLine]
    days: list[DayLine]
    hours: list[float | None]  # mean kW of each hour of the local day, over the month
    meters: list[MeterLine]
    peak: Peak | None
    balance: list[BalanceLine]
    tariff: TariffName | None
    month_open: bool
    until: int  # Unix ms: the report covers the month up to here
    source_checksum: str  # SHA-256 of the facts of all meters and of the tariff
    marks: list[Mark] = field(default_factory=list)
