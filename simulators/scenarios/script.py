"""A scenario written down: causes with their times (catalog/scenarios, schema wk.scenario/1)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from simulators.scenarios.cause import Request
from simulators.scenarios.causes import SCENARIOS
from simulators.scenarios.stage import Stage
from watchkeeper import documents
from watchkeeper.documents import Text
from watchkeeper.errors import ConfigError

SCHEMA = "wk.scenario/1"
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
_TIMES = ("at_s", "for_s", "cause", "unit", "clear")  # what every step may say


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One cause at one unit; what is not said is as the cause has it."""

    at_s: Seconds
    cause: str
    unit: str = ""  # empty: the first that fits
    for_s: Seconds | None = None  # it ends by itself after so long
    clear: bool = False  # it ends now
    detectors: list[Annotated[int, Meta(ge=1)]] | None = None
    zone: str | None = None
    factor: Annotated[float, Meta(gt=0)] | None = None
    at_floor: bool | None = None
    share: Annotated[float, Meta(gt=0, le=1)] | None = None
    delay_ms: Annotated[int, Meta(ge=1, le=600_000)] | None = None
    seconds: float | None = None
    percent: Annotated[float, Meta(ge=0, le=100)] | None = None

    def given(self) -> dict[str, object]:
        """Return the parameters that are said."""
        facts = {name: getattr(self, name) for name in self.__struct_fields__ if name not in _TIMES}
        return {name: value for name, value in facts.items() if value is not None}

    def requests(self) -> Iterator[tuple[float, Request]]:
        """Yield what is asked of the stage, with its second."""
        facts: dict[str, object] = {"unit": self.unit, **self.given()}
        yield self.at_s, Request(self.cause, clear=self.clear, **facts)  # type: ignore[arg-type]
        if self.for_s is not None:
            end = Request(self.cause, clear=True, **facts)  # type: ignore[arg-type]
            yield self.at_s + self.for_s, end


class Script(Struct, frozen=True, forbid_unknown_fields=True):
    """What happens, one after the other."""

    name: Text
    about: Text
    steps: Annotated[list[Step], Meta(min_length=1)]

    def requests(self) -> list[tuple[float, Request]]:
        """Return what is asked of the stage, in the order of time."""
        found = [each for step in self.steps for each in step.requests()]
        return sorted(found, key=lambda each: each[0])


def load(path: Path) -> Script:
    """Return a scenario file; ConfigError says file, line and field."""
    script = documents.read(path, Script, SCHEMA)
    text = path.read_text("utf-8")
    for number, step in enumerate(script.steps):
        for field, what, fix in _mistakes(step):
            line = documents.line_of(text, "steps", str(number), field)
            raise ConfigError(where=f"{path}:{line}", what=f"steps.{field}: {what}", fix=fix)
    return script


def find(folder: Path, name: str) -> Script:
    """Return a scenario of the catalog by its name, or a file by its path."""
    file = Path(name)
    if file.suffix == ".yaml":
        return load(file)
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise ConfigError(
            where=name, what="no such scenario", fix=f"use one of {', '.join(known)}, or a file"
        )
    return load(folder / f"{name}.yaml")


def _mistakes(step: Step) -> Iterator[tuple[str, str, str]]:
    """Yield field, what is wrong and what to do."""
    scenario = SCENARIOS.get(step.cause)
    if scenario is None:
        yield "cause", f"no cause `{step.cause}`", f"use one of {', '.join(SCENARIOS)}"
        return
    if scenario.clear is None and (step.clear or step.for_s is not None):
        field = "clear" if step.clear else "for_s"
        yield field, f"`{step.cause}` is done in a moment", f"remove `{field}`"
    if step.clear and step.for_s is not None:
        yield "for_s", "what ends now cannot last", "keep `for_s` or `clear`"
    for field in step.given():
        if field not in scenario.takes:
            known = ", ".join(scenario.takes) or "nothing"
            yield field, f"means nothing to `{step.cause}`", f"remove it; it takes {known}"


class Player:
    """Plays scenarios on a stage; time is an argument."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self._folder = stage, folder
        self._waiting: list[tuple[float, Request]] = []  # Unix ms

    def begin(self, name: str, at_ms: int) -> Script:
        """Start a scenario now, beside what is played already.

        Raises ConfigError: no such scenario, or it is wrong; NotPossible: the site has not what it
        needs. In both cases nothing happens.
        """
        script = find(self._folder, name)
        for _, request in script.requests():
            self.stage.resolved(request)
        for at_s, request in script.requests():
            self.later(request, at_ms + 1000 * at_s)
        return script

    def later(self, request: Request, at_ms: float) -> None:
        """Play a request at an instant."""
        self._waiting.append((at_ms, request))
        self._waiting.sort(key=lambda each: each[0])

    def due(self, at_ms: int) -> list[Request]:
        """Return what shall be played now, and forget it."""
        due = [request for at, request in self._waiting if at <= at_ms]
        self._waiting = [each for each in self._waiting if each[0] > at_ms]
        return due

    @property
    def over(self) -> bool:
        """Return whether nothing more is to come."""
        return not self._waiting
