"""Why a point rings, or does not: what is true of it now, as sentences. Pure.

The first reason is the answer. What it is decided on is gathered in why_seen.py; the words stand in
catalog/i18n/why.yaml under `why.<code>`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final, Literal, TypeAlias

from watchkeeper.documents import Text

AHEAD_MS: Final = 60_000  # a source time further in the future is a wrong clock
TOLD_FROM: Final = 2  # alarms of this priority and above are told to people
SAFETY: Final = "life_safety"

Phase: TypeAlias = Literal["normal", "pending", "active", "shifting", "leaving"]
Fact: TypeAlias = str | int | float | Text
At: TypeAlias = int  # Unix ms
NOTHING_SAID: Final = Text("", "")


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that holds back telling people."""

    kind: str  # shelved, suppressed, out_of_service, test
    by: Text
    reason: str
    until: At | None = None


@dataclass(frozen=True, slots=True)
class Rang:
    """The newest alarm of a rule at this point."""

    raised: At
    returned: At | None = None
    life: str = "unacknowledged"
    acknowledged_by: Text | None = None
    priority: int = 3
    handling: str = "normal"
    count: int = 1
    late: bool = False  # found in backlog, over already
    told: int = 0  # messages about it, its order or its run
    echo_of: str = ""  # the rule that pages for the same trouble


@dataclass(frozen=True, slots=True)
class RuleSeen:
    """A rule at the point, where it stands, and what it says of the value now."""

    key: str
    title: Text
    truth: bool | None  # of the newest value; None: unknown
    phase: Phase = "normal"
    spent_s: float = 0.0  # of its delay
    delay_s: float = 0.0
    frozen: bool = False  # the delay waits for a known value
    open: bool = True  # False: its calendar says that it does not count now
    kind: str = "limit"  # limit, state, stale, or another
    low: float = -inf  # inside these it is not true
    high: float = inf
    span: Text = NOTHING_SAID  # the same in words: "198–242 V"
    rang: Rang | None = None
    flags: Sequence[Flag] = ()  # that touch its alarms


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a point."""

    now: At
    value: Text | None  # in words, with its unit; None: unknown
    at: At | None  # source time of the newest reading; None: none ever came
    fresh_at: At | None  # when something good came last
    quality: Text
    bad: bool = False  # the newest reading says of itself that it is no good
    stale: bool = False
    unsynchronised: bool = False  # its edge says that its own clock is not set
    edge: str = ""
    edge_lost: bool = False
    rules: Sequence[RuleSeen] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence: a code, its facts, and about which rule."""

    code: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    rule: str = ""
    instants: Mapping[str, At] = field(default_factory=dict)  # facts that are times


# The answer is what stands first here; what is not here never is.
RANK: Final = (
    "held-shelved", "held-suppressed", "held-out_of_service", "held-test", "rings-acknowledged",
    "rings", "pending-frozen", "pending", "edge-lost", "edge-lost-never", "unknown-never",
    "unknown-quality", "unknown-stale", "learning", "moving", "closed", "none-true", "no-rule",
)  # fmt: skip
_OTHERS = frozenset(RANK) - {"closed"}


def why(seen: Seen) -> list[Reason]:
    """Return the reasons, the answer first."""
    found = [*_unknown(seen)]
    for rule in seen.rules:
        found += _of(rule, seen)
    if not seen.rules:
        found.append(Reason("no-rule"))
    elif {each.code for each in found}.isdisjoint(_OTHERS) and any(r.open for r in seen.rules):
        found.append(_none_true(seen))
    found += [*_standing(seen, found), *_clock(seen)]
    order = {code: number for number, code in enumerate(RANK)}
    return sorted(found, key=lambda each: order.get(each.code, len(order)))


def _unknown(seen: Seen) -> Iterator[Reason]:
    """Yield why nothing is known, at most one reason: the one that explains the others."""
    if not any(rule.kind != "signal" for rule in seen.rules):
        return
    since = {} if seen.fresh_at is None else {"since": seen.fresh_at}
    if seen.edge_lost:
        code = "edge-lost" if since else "edge-lost-never"
        yield Reason(code, {"edge": seen.edge}, instants=since)
    elif seen.at is None:
        yield Reason("unknown-never")
    elif seen.bad:
        yield Reason("unknown-quality", {"quality": seen.quality}, instants={"since": seen.at})
    elif seen.stale:
        yield Reason("unknown-stale", instants=since or {"since": seen.at})


def _of(rule: RuleSeen, seen: Seen) -> Iterator[Reason]:
    """Yield what there is to say of one rule."""
    named: dict[str, Fact] = {"title": rule.title}
    if rule.phase in {"active", "shifting", "leaving"}:
        yield from _ringing(rule)
    elif rule.phase == "pending":
        code = "pending-frozen" if rule.frozen else "pending"
        spent = {"spent": _seconds(rule.spent_s), "delay": _seconds(rule.delay_s)}
        yield Reason(code, named | spent, rule.key)
    elif not rule.open:
        yield Reason("closed", named, rule.key)
    elif rule.truth is None and seen.value is not None:
        yield Reason("learning", named, rule.key)
    elif rule.truth:
        yield Reason("moving", named | _value(seen), rule.key)
    elif rule.truth is not None:
        yield _false(rule, seen)
    if rule.rang is not None and rule.rang.returned is not None:
        times = {"raised": rule.rang.raised, "returned": rule.rang.returned}
        code = "was-late" if rule.rang.late else "was"
        yield Reason(code, named | {"count": rule.rang.count}, rule.key, times)


def _ringing(rule: RuleSeen) -> Iterator[Reason]:
    """Yield that it rings: held back by a flag, seen by somebody, or waiting for somebody."""
    rang, facts = rule.rang, {"title": rule.title}
    since = {} if rang is None else {"since": rang.raised}
    for flag in rule.flags:
        yield _held(f"held-{flag.kind}", flag, rule)
    if not rule.flags and rang is not None and rang.acknowledged_by is not None:
        by = {"by": rang.acknowledged_by}
        yield Reason("rings-acknowledged", facts | by, rule.key, since)
    elif not rule.flags:
        yield Reason("rings", facts, rule.key, since)
    if rule.phase == "leaving":
        left = _seconds(max(rule.delay_s - rule.spent_s, 0.0))
        yield Reason("leaving", facts | {"left": left}, rule.key)
    if rang is not None:
        yield _told(rule, rang)


def _told(rule: RuleSeen, rang: Rang) -> Reason:
    """Return how many people were told, or why none was."""
    if rang.told:
        return Reason("told", {"count": rang.told}, rule.key)
    if rang.late:
        return Reason("untold-late", {}, rule.key)
    if rang.echo_of:
        return Reason("untold-echo", {"other": rang.echo_of}, rule.key)
    if rang.priority > TOLD_FROM and rang.handling != SAFETY:
        return Reason("untold-priority", {"priority": rang.priority}, rule.key)
    return Reason("untold", {}, rule.key)


def _false(rule: RuleSeen, seen: Seen) -> Reason:
    """Return why a rule is not true."""
    facts: dict[str, Fact] = {"title": rule.title, "span": rule.span} | _value(seen)
    if rule.kind == "stale":
        return Reason("false-stale", facts, rule.key)
    if rule.kind == "limit":
        one_sided = "within" if rule.low != -inf and rule.high != inf else (
            "below" if rule.low == -inf else "above"
        )  # fmt: skip
        return Reason(f"false-{one_sided}", facts, rule.key)
    return Reason("false-state" if rule.kind == "state" else "false", facts, rule.key)


def _none_true(seen: Seen) -> Reason:
    """Return that no rule is true, with the narrowest limits there are."""
    limits = [rule for rule in seen.rules if rule.kind == "limit" and rule.truth is False]
    if not limits or seen.value is None:
        return Reason("none-true", _value(seen))
    tightest = min(limits, key=lambda rule: (rule.high - rule.low, rule.key))
    why_not = _false(tightest, seen)
    return Reason("none-true", dict(why_not.facts) | {"code": why_not.code}, tightest.key)


def _standing(seen: Seen, found: Sequence[Reason]) -> Iterator[Reason]:
    """Yield the flags that hold nothing back now, and would if a rule became true."""
    if not any(each.code.startswith("held-") for each in found):
        every = (flag for rule in seen.rules for flag in rule.flags)
        for flag in dict.fromkeys(every):
            yield _held(f"would-{flag.kind}", flag)


def _held(code: str, flag: Flag, rule: RuleSeen | None = None) -> Reason:
    facts: dict[str, Fact] = {"by": flag.by, "reason": flag.reason}
    if rule is not None:
        facts["title"] = rule.title
    until = {} if flag.until is None else {"until": flag.until}
    return Reason(code, facts, rule.key if rule else "", until)


def _clock(seen: Seen) -> Iterator[Reason]:
    if seen.at is not None and seen.at > seen.now + AHEAD_MS:
        ahead = _seconds((seen.at - seen.now) / 1000)
        yield Reason("clock", {"edge": seen.edge, "ahead": ahead}, instants={"at": seen.at})
    elif seen.unsynchronised:
        yield Reason("clock-not-set", {"edge": seen.edge})


def _value(seen: Seen) -> dict[str, Fact]:
    return {} if seen.value is None else {"value": seen.value}


def _seconds(seconds: float) -> str:
    """Return "3" or "2.5"."""
    return f"{seconds:.1f}".removesuffix(".0")
