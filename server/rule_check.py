"""What is wrong with a rule by itself: its fields allow each, and all together make no sense."""

from collections.abc import Callable, Iterable, Mapping
from string import Formatter

from server.rule_place import Where, suggestion
from server.rule_words import KINDS, Bound, Limit, Rule, State

PLACEHOLDERS = frozenset({"equipment", "point", "place", "zone", "value", "limit"})
SIDES = ("low_low", "low", "high", "high_high")  # as they lie


def check(rule: Rule, where: Where) -> None:
    """Refuse what no point could make right; ConfigError says where and what to do."""
    given = [name for name in KINDS if getattr(rule, name) is not None]
    if len(given) + rule.signal != 1:
        raise where.refuse(
            f"rule `{rule.key}` must have exactly one of {', '.join(KINDS)}, signal",
            "keep one of them",
        )
    if not rule.signal and not rule.point:
        raise where.refuse(f"rule `{rule.key}` names no point", "add `point:`")
    for kind in given:
        if kind in _CHECKS:
            _CHECKS[kind](rule, where)
    _check_when(rule, where)
    _check_cause(rule, where)
    for name, text in (("title", rule.title), ("guidance", rule.guidance)):
        for language in ("zh", "en"):
            _check_text(getattr(text, language), where, name, language)


def _check_limit(rule: Rule, where: Where, *steps: str) -> None:
    limit = rule.limit if rule.count is None else rule.count.limit
    if limit is None:
        return
    given = bounds_given(limit)
    if not given:
        raise where.refuse(f"rule `{rule.key}`: limit without bound", "add high or low", *steps)
    for name, bound in given.items():
        if isinstance(bound, Bound) and (bound.at is None) == (bound.of is None):
            raise where.refuse(
                f"rule `{rule.key}`: {name} needs one of `at` and `of`", "keep one of them",
                *steps, name,
            )  # fmt: skip
    for sharp, plain in (("high_high", "high"), ("low_low", "low")):
        if sharp in given and plain not in given:
            raise where.refuse(
                f"rule `{rule.key}`: {sharp} without {plain}", f"call it {plain}", *steps, sharp
            )


def bounds_given(limit: Limit) -> Mapping[str, object]:
    """Return the bounds that are written, by name."""
    return {name: each for name in SIDES if (each := getattr(limit, name)) is not None}


def _check_state(rule: Rule, where: Where, *steps: str) -> None:
    state: State | None = rule.state if rule.count is None else rule.count.state
    if state is not None and bool(state.any_of) == bool(state.none_of):
        raise where.refuse(
            f"rule `{rule.key}`: state needs any_of or none_of", "keep one of them", *steps
        )


def _check_rate(rule: Rule, where: Where) -> None:
    if rule.rate is not None and rule.rate.rise is None and rule.rate.fall is None:
        raise where.refuse(f"rule `{rule.key}`: rate without rise or fall", "add one", "rate")


def _check_jump(rule: Rule, where: Where) -> None:
    if rule.jump is not None and rule.jump.up is None and rule.jump.down is None:
        raise where.refuse(f"rule `{rule.key}`: jump without up or down", "add one", "jump")


def _check_count(rule: Rule, where: Where) -> None:
    if rule.count is None:
        return
    if (rule.count.limit is None) == (rule.count.state is None):
        raise where.refuse(
            f"rule `{rule.key}`: count needs limit or state", "say what is counted", "count"
        )
    _check_limit(rule, where, "count", "limit")
    _check_state(rule, where, "count", "state")


_CHECKS: Mapping[str, Callable[[Rule, Where], None]] = {
    "limit": lambda rule, where: _check_limit(rule, where, "limit"),
    "state": lambda rule, where: _check_state(rule, where, "state"),
    "rate": _check_rate,
    "jump": _check_jump,
    "count": _check_count,
}


def _check_when(rule: Rule, where: Where) -> None:
    if rule.when is None:
        return
    if bool(rule.when.calendar) == bool(rule.when.outside):
        raise where.refuse(
            f"rule `{rule.key}`: when needs calendar or outside", "keep one of them", "when"
        )
    if rule.signal or rule.stale is not None:
        raise where.refuse(
            f"rule `{rule.key}`: silence and signals count at any hour", "remove `when`", "when"
        )


def _check_cause(rule: Rule, where: Where) -> None:
    if rule.means and rule.handling == "life_safety":
        raise where.refuse(
            f"rule `{rule.key}`: nothing explains away an alarm of life safety", "remove `means`",
            "means",
        )  # fmt: skip
    if rule.everywhere and not rule.brings:
        raise where.refuse(
            f"rule `{rule.key}`: everywhere, but it brings nothing", "add `brings:`", "everywhere"
        )


def _check_text(text: str, where: Where, name: str, language: str) -> None:
    try:
        used = {field for _, field, _, _ in Formatter().parse(text) if field is not None}
    except ValueError as error:
        raise where.refuse(
            f"{name}.{language}: {error}", "write { and } in pairs", name, language
        ) from error
    for wrong in sorted(used - PLACEHOLDERS):
        raise where.refuse(
            f"{name}.{language}: nothing fills {{{wrong}}}",
            f"use {', '.join(sorted(PLACEHOLDERS))}",
            name,
            language,
        )


def check_echoes(rules: Mapping[str, Rule], echoes: Iterable[tuple[str, Where]]) -> None:
    """Refuse an echo of a rule there is not, and rules that rest for each other in a circle."""
    for key, where in echoes:
        seen, now = [key], rules[key].echo_of
        while now:
            if now not in rules:
                raise where.refuse(
                    f"echo_of: no rule `{now}`", f"correct the name: {suggestion(now, rules)}",
                    "echo_of",
                )  # fmt: skip
            if now in seen:
                circle = " -> ".join([*seen[seen.index(now) :], now])
                raise where.refuse(
                    f"echo_of: {circle}: none of them would ever page",
                    "let one of them be no echo", "echo_of",
                )  # fmt: skip
            seen.append(now)
            now = rules[now].echo_of
