"""What a file of rules may say (schema wk.rules/1), and what a site may say otherwise."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct
from msgspec import field as named

from server.events import Handling
from watchkeeper.documents import Text

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Minutes = Annotated[float, Meta(gt=0, le=7 * 24 * 60)]
Priority = Annotated[int, Meta(ge=1, le=4)]  # 1 critical .. 4 advisory
Positive = Annotated[float, Meta(gt=0)]
Key = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Alias = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_]*$", max_length=40)]
Trouble: TypeAlias = Literal["silence", "supply", "cooling"]
Per: TypeAlias = Literal["second", "minute", "hour"]
PER_MS: dict[Per, float] = {"second": 1_000.0, "minute": 60_000.0, "hour": 3_600_000.0}


class Bound(Struct, frozen=True, forbid_unknown_fields=True):
    """A bound with more to say than its number; exactly one of `at` and `of`."""

    at: float | None = None  # in the point's unit
    of: Literal["rated_kw"] | None = None  # a bound that each unit of the site brings itself
    factor: Positive = 1.0  # of what the unit brings
    priority: Priority | None = None  # instead of the rule's


class Limit(Struct, frozen=True, forbid_unknown_fields=True):
    """True beyond a bound; stays true until the value is a deadband inside again."""

    high_high: float | Bound | None = None
    high: float | Bound | None = None
    low: float | Bound | None = None
    low_low: float | Bound | None = None
    deadband: Annotated[float, Meta(ge=0)] = 0.0  # in the point's unit
    deadband_percent: Annotated[float, Meta(ge=0, lt=100)] = 0.0  # of the bound, added to it


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """True while the value is one of `any_of`, or is none of `none_of`."""

    any_of: list[float] = []
    none_of: list[float] = []


class Stale(Struct, frozen=True, forbid_unknown_fields=True):
    """True while nothing good came for so long."""

    after_s: Positive | None = None  # the point's own `stale_after_s`


class Moving(Struct, frozen=True, forbid_unknown_fields=True):
    """True while the value moves faster than this, seen over a window."""

    rise: Positive | None = None  # in the point's unit, per …
    fall: Positive | None = None
    per: Per = "minute"
    window_s: Annotated[float, Meta(ge=6, le=86_400)] = 60.0


class Counted(Struct, frozen=True, forbid_unknown_fields=True):
    """True while something became so at least so often in so long; one of limit and state."""

    times: Annotated[int, Meta(ge=1, le=200)]
    within_min: Minutes
    limit: Limit | None = None
    state: State | None = None


class Jumping(Struct, frozen=True, forbid_unknown_fields=True):
    """True when the value goes further than this from one reading to the next."""

    up: Positive | None = None  # in the point's unit
    down: Positive | None = None


class Claim(Struct, frozen=True, forbid_unknown_fields=True):
    """A formula, and what its names stand for; other names are points of the same unit."""

    true_when: str
    points: dict[Alias, str] = {}  # a point of the same unit, or "unit/point"


class Sticking(Struct, frozen=True, forbid_unknown_fields=True):
    """True when the value has not changed for so long while the formula was true all along."""

    after_min: Minutes
    true_when: str = ""  # by itself: always
    points: dict[Alias, str] = {}


class When(Struct, frozen=True, forbid_unknown_fields=True):
    """When a rule counts at all; one of these."""

    calendar: str = ""  # of catalog/calendars
    outside: str = ""  # likewise


class Applies(Struct, frozen=True, forbid_unknown_fields=True):
    """Which units a rule is for; everything given must fit."""

    equipment: str = ""
    profile: str = ""
    unit: str = ""  # may be a pattern: "lift-*"


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of the catalog; exactly one of KINDS says when it is true."""

    key: Key
    revision: Annotated[int, Meta(ge=1)]
    priority: Priority
    title: Text
    guidance: Text
    applies: Applies = Applies()
    point: str = ""  # of the profile; may be a pattern: "detector-*"
    limit: Limit | None = None
    state: State | None = None
    stale: Stale | None = None
    rate: Moving | None = None
    count: Counted | None = None
    jump: Jumping | None = None
    stuck: Sticking | None = None
    expression: Claim | None = None
    signal: bool = False  # raised by the server itself: edge-lost
    when: When | None = None
    on_delay_s: Seconds = 0.0  # true for so long before it rings
    off_delay_s: Seconds = 0.0  # not true for so long before it is over
    handling: Handling = "normal"
    skill: str = ""
    echo_of: str = (
        ""  # the rule that pages for the same trouble of the same unit: this one then rests
    )
    means: Trouble | None = None  # the trouble of its unit it shows: what is above may explain it
    brings: list[Trouble] = []  # the trouble it is for all that hangs on its unit
    everywhere: bool = False  # and not only on its unit: the mains failed
    wants_order: bool = named(name="order", default=False)
    plan: str = ""  # key of the emergency plan this is a signal for
    latch: bool = False  # over, it stays until a person resets it
    acknowledge: bool = True  # somebody must see it; without, it goes when it is over


KINDS = ("limit", "state", "stale", "rate", "count", "jump", "stuck", "expression")


class RuleFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of catalog/rules."""

    rules: list[Rule]


class Override(Struct, frozen=True, forbid_unknown_fields=True):
    """What a site says otherwise of a rule, at some of its points."""

    rule: str
    revision: Annotated[int, Meta(ge=1)]  # raise it when the meaning changes
    why: Annotated[str, Meta(min_length=3)]  # for who reads it in a year
    unit: str = ""  # may be a pattern; of the site
    point: str = ""  # likewise, of the profile
    off: bool = False
    priority: Priority | None = None
    on_delay_s: Seconds | None = None
    off_delay_s: Seconds | None = None
    limit: Limit | None = None  # whole, in place of the rule's; only where it has one
    rate: Moving | None = None
    count: Counted | None = None
    jump: Jumping | None = None
    when: When | None = None


class OverrideFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of catalog/overrides, named after the site."""

    overrides: list[Override]
