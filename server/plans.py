"""The plans of the catalog: read, checked with file and line, found by key and by signal."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.emergency.model import (
    SCHEMA,
    Action,
    Branch,
    End,
    Parallel,
    Plan,
    Start,
    Step,
    ways,
)
from server.emergency.ports import Published
from watchkeeper import documents
from watchkeeper.documents import Text
from watchkeeper.errors import ConfigError

Place = tuple[str, ...]  # keys and list positions that lead to a line of the file


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that each line allows but all together do not."""

    at: Place
    what: str
    fix: str


class Shelf:
    """Every plan of the catalog, in its newest version."""

    def __init__(self, plans: Sequence[Published]) -> None:
        self._plans = {each.plan.key: each for each in plans}
        self._signals = {word: each for each in plans for word in each.plan.trigger.signals}

    def get(self, key: str) -> Published:
        """Return the plan; KeyError: there is none of this key."""
        return self._plans[key]

    def of_signal(self, word: str) -> Published | None:
        """Return the plan that answers an alarm's plan word, None when there is none."""
        return self._signals.get(word)

    def all(self) -> Sequence[Published]:
        """Return every plan, by key."""
        return [self._plans[key] for key in sorted(self._plans)]


def load(folder: Path) -> Shelf:
    """Return the plans of catalog/plans; ConfigError says file, line and field."""
    found: list[Published] = []
    owners: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        published = load_file(path)
        found.append(published)
        for name in (f"key {published.plan.key}", *published.plan.trigger.signals):
            if name in owners:
                raise ConfigError(
                    where=str(path),
                    what=f"`{name}` is taken by {owners[name]}",
                    fix="keep it in one of the two plans",
                )
            owners[name] = path.name
    return Shelf(found)


def load_file(path: Path) -> Published:
    """Return one plan with the SHA-256 of its file; ConfigError says file, line and field."""
    plan = documents.read(path, Plan, SCHEMA)
    content = path.read_bytes()
    for fault in faults(plan):
        line = documents.line_of(content.decode(), *fault.at)
        raise ConfigError(where=f"{path}:{line}", what=fault.what, fix=fault.fix)
    return Published(plan, hashlib.sha256(content).hexdigest())


def faults(plan: Plan) -> Iterator[Fault]:
    """Return what is wrong with a plan beyond the shape of its lines."""
    for check in (_doubles, _names, _step_names, _actions, _conditions, _flow, _texts):
        yield from check(plan)


def _doubles(plan: Plan) -> Iterator[Fault]:
    for name in ("levels", "roles", "clocks", "steps"):
        seen: set[str] = set()
        for number, item in enumerate(getattr(plan, name)):
            if item.key in seen:
                what = f"{name}: `{item.key}` stands twice"
                yield Fault((name, str(number), "key"), what, "rename one of the two")
            seen.add(item.key)


def _names(plan: Plan) -> Iterator[Fault]:
    roles = [role.key for role in plan.roles]
    levels = [level.key for level in plan.levels]
    for at, name, known in (
        (("start_level",), plan.start_level, levels),
        (("trigger", "verify"), plan.trigger.verify, roles),
        (("close", "all_clear_by"), plan.close.all_clear_by, roles),
        *((("roles", str(n), "deputy"), role.deputy, roles) for n, role in enumerate(plan.roles)),
    ):
        if name not in known:
            yield Fault(at, f"{'.'.join(at)}: no `{name}`", f"use one of {', '.join(known)}")


def _step_names(plan: Plan) -> Iterator[Fault]:
    known = {step.key for step in plan.steps}
    for number, step in enumerate(plan.steps):
        for key in ways(step):
            if key not in known:
                what = f"steps.{step.key}: no step `{key}`"
                yield Fault(("steps", str(number)), what, "correct the name, or add the step")


def _actions(plan: Plan) -> Iterator[Fault]:
    roles = {role.key for role in plan.roles}
    clocks = {clock.key for clock in plan.clocks}
    for number, step in enumerate(plan.steps):
        if not isinstance(step, Action):
            continue
        at = ("steps", str(number))
        if step.owner not in roles:
            what = f"steps.{step.key}.owner: no role `{step.owner}`"
            yield Fault((*at, "owner"), what, f"use one of {', '.join(sorted(roles))}")
        if (step.timeout_s is None) == (step.clock is None):
            what = f"steps.{step.key}: needs a time limit, exactly one"
            yield Fault(at, what, "set either `timeout_s` or `clock`")
        if step.clock is not None and step.clock not in clocks:
            what = f"steps.{step.key}.clock: no clock `{step.clock}`"
            yield Fault((*at, "clock"), what, "add it to `clocks`, or use `timeout_s`")


def _conditions(plan: Plan) -> Iterator[Fault]:
    levels = [level.key for level in plan.levels]
    for number, step in enumerate(plan.steps):
        if not isinstance(step, Branch):
            continue
        asked, at = step.condition, ("steps", str(number), "condition")
        if asked.op == "at_least" and asked.fact != "level":
            yield Fault(at, f"steps.{step.key}: only a level has `at_least`", "use is or is_not")
        if asked.fact == "level" and asked.value not in levels:
            what = f"steps.{step.key}: no level `{asked.value}`"
            yield Fault(at, what, f"use one of {', '.join(levels)}")


def _flow(plan: Plan) -> Iterator[Fault]:
    """Every step can be reached, leads to an end, and waits for a person in every loop."""
    if any(True for _ in _step_names(plan)):
        return
    starts = [step for step in plan.steps if isinstance(step, Start)]
    if len(starts) != 1:
        yield Fault(("steps",), f"steps: {len(starts)} starts", "write exactly one `type: start`")
        return
    reached = plan.reached([starts[0].key])
    ends = {step.key for step in plan.steps if isinstance(step, End)}
    for number, step in enumerate(plan.steps):
        at: Place = ("steps", str(number))
        if step.key not in reached:
            yield Fault(at, f"steps.{step.key}: nothing leads here", "name it in another step")
        elif not plan.reached([step.key]) & ends:
            yield Fault(at, f"steps.{step.key}: no way leads to an end", "add a way out")
        elif _spins(plan, step):
            what = f"steps.{step.key}: a loop without anybody acting"
            yield Fault(at, what, "put an action into the loop")
        elif isinstance(step, Parallel) and (out := _escapes(plan, step)):
            what = f"steps.{step.key}: a branch leaves to `{out}`"
            yield Fault(at, what, "let each branch run to an end of its own")


def _spins(plan: Plan, step: Step) -> bool:
    """Tell whether a step leads back to itself without an action in between."""
    seen: set[str] = set()
    waiting = [] if isinstance(step, Action) else list(ways(step))
    while waiting:
        key = waiting.pop()
        if key == step.key:
            return True
        following = plan.step(key)
        if key not in seen and not isinstance(following, Action):
            waiting += ways(following)
        seen.add(key)
    return False


def _escapes(plan: Plan, step: Parallel) -> str:
    """Return a step that the branches of a parallel step share with what comes after it."""
    inside = plan.reached(step.next_steps)
    outside = plan.reached([step.on_completion]) | {step.key}
    return min(inside & outside, default="")


def _texts(plan: Plan) -> Iterator[Fault]:
    """Every text a person reads is there in both languages."""
    for at, text in _all_texts(plan, ()):
        for language in ("zh", "en"):
            if not getattr(text, language).strip():
                yield Fault((*at, language), f"{'.'.join(at)}: no {language}", "write the text")


def _all_texts(value: object, at: Place) -> Iterator[tuple[Place, Text]]:
    if isinstance(value, Text):
        yield at, value
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _all_texts(item, (*at, str(number)))
    elif fields := getattr(value, "__struct_fields__", ()):
        for name in fields:
            yield from _all_texts(getattr(value, name), (*at, name))
