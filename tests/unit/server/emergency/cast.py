"""A stage for emergency tests: the catalog's plans, four people, and time that is told to pass."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from server import plans
from server.emergency import handlers
from server.emergency.decide import Moment
from server.emergency.model import Action, Person, Plan, Run, Timer
from server.emergency.ports import Here, Runs
from server.emergency.ports import Plans as PlansPort
from server.events import AlarmRaised, AlarmReturned, Event, RoleCalled
from tests.fakes import FixedClock
from watchkeeper import texts
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, PersonId, PointId, RunId, UnitId

ROOT = Path(__file__).resolve().parents[4]
CATALOG = ROOT / "catalog"
SHELF = plans.load(CATALOG / "plans")
WORDS = texts.load_file(CATALOG / "i18n/emergency.yaml")


def person(key: str, name: str, *roles: str) -> Person:
    return Person(PersonId(key), name, frozenset(roles))


CHEN = person("chenlei", "Chen Lei", "operator")
WANG = person("wangqiang", "Wang Qiang", "technician")
LIU = person("liumin", "Liu Min", "technician")
ZHAO = person("zhaoyan", "Zhao Yan", "manager")
ADMIN = person("admin", "Admin", "admin")
STRANGER = person("stranger", "Stranger", "technician")


class Staff:
    """People with skills; those who have left are forgotten."""

    def __init__(self) -> None:
        self.skills: dict[Person, set[str]] = {
            CHEN: set(),
            WANG: {"electrical"},
            LIU: {"elevator", "fire"},
            ZHAO: set(),
        }

    def candidates(self, any_of: Sequence[str], skills: Sequence[str]) -> Sequence[Person]:
        return [
            each
            for each, known in self.skills.items()
            if each.roles & set(any_of) and (not skills or known & set(skills))
        ]

    def named(self, person: PersonId) -> Person:
        return next((each for each in self.skills if each.id == person), Person(person, person))

    def leave(self, person: Person) -> None:
        del self.skills[person]


class MemoryRuns:
    """Runs that live as long as the test."""

    def __init__(self) -> None:
        self.rows: dict[RunId, Run] = {}
        self.views: list[Mapping[str, Any]] = []
        self.events: list[Event] = []

    def get(self, run: RunId) -> Run:
        return self.rows[run]

    def active(self) -> Sequence[Run]:
        return [run for run in self.rows.values() if not run.over]

    def of_alarm(self, alarm: AlarmId) -> Run | None:
        found = [run for run in self.rows.values() if alarm in run.alarms]
        return found[-1] if found else None

    def save(self, run: Run, view: Mapping[str, Any], *happened: Event) -> None:
        self.rows[run.id] = run
        self.views.append(view)
        self.events += happened


class Stage:
    """Runs, timers and people of one test."""

    def __init__(self, runs: Runs | None = None, shelf: PlansPort = SHELF) -> None:
        self.clock, self.staff = FixedClock(), Staff()
        self.memory = MemoryRuns()
        self.runs: Runs = runs or self.memory
        self.shelf = shelf
        self.waiting: list[Timer] = []
        self._numbers = count(1)

    def of(self, place: str) -> Text:
        return Text(place, place)

    def set(self, timer: Timer) -> None:
        self.waiting.append(timer)

    def here(self) -> Here:
        return Here(
            runs=self.runs,
            plans=self.shelf,
            timers=self,
            people=self.staff,
            names=self,
            words=WORDS,
            site="riverside",
            now=self.clock.now(),
            new_id=lambda prefix: f"{prefix}_{next(self._numbers)}",
        )

    def rings(self, detector: int, *, late: bool = False, alarm: str = "") -> Run | None:
        """A detector of a fire zone, 20 to a zone."""
        zone = (detector - 1) // 20
        event = raised(
            alarm or f"alm_{detector}",
            f"fire-panel/detector-{detector:02d}",
            plan="fire",
            place=("tower-a", "tower-b", "podium")[zone],
            zone=f"zone-{zone + 1}",
            at_s=self.clock.now(),
            late=late,
        )
        handlers.alarm_raised(event, self.here())
        return self.runs.of_alarm(event.alarm)

    def trapped(self, lift: str = "lift-3") -> Run:
        event = raised(
            f"alm_{lift}",
            f"{lift}-board/trapped_between_floors",
            plan="entrapment",
            place="tower-a",
            zone="",
            at_s=self.clock.now(),
            unit=lift,
        )
        handlers.alarm_raised(event, self.here())
        return self.run(event.alarm)

    def run(self, alarm: str) -> Run:
        found = self.runs.of_alarm(AlarmId(alarm))
        assert found is not None
        return found

    def returns(self, alarm: str) -> None:
        event = AlarmReturned(
            AlarmId(alarm), "detector-fire", PointId("p"), UnitId("u"), self.clock.now()
        )
        handlers.alarm_returned(event, self.here())

    def does(self, run: Run, decision: Any) -> Run:
        """Let a decision be made about a run: `lambda now, m: decide.stable(now, CHEN, m)`."""
        return handlers.command(run.id, decision, self.here())

    def pass_(self, seconds: float) -> None:
        """Let time pass; what is due fires at its instant, in order."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while due := [timer for timer in self.waiting if timer.due <= until]:
            first = min(due, key=lambda timer: timer.due)
            self.waiting.remove(first)
            self.clock.pass_(max(0.0, (first.due - self.clock.now()).total_seconds()))
            handlers.due(first.kind, first.subject, first.generation, self.here())
        self.clock.pass_((until - self.clock.now()).total_seconds())

    def moment(self, run: Run) -> Moment:
        roster = {
            role.key: tuple(self.staff.candidates(role.any_of, role.skills))
            for role in run.plan.roles
        }
        return Moment(self.clock.now(), roster, WORDS)

    def called(self) -> list[tuple[str, str]]:
        """Who was called for what, in order."""
        return [
            (event.role, event.person)
            for event in self.memory.events
            if isinstance(event, RoleCalled)
        ]


def raised(  # noqa: PLR0913 - an event has that many facts
    alarm: str,
    point: str,
    *,
    plan: str,
    place: str,
    zone: str,
    at_s: Any,
    unit: str = "fire-panel",
    late: bool = False,
) -> AlarmRaised:
    return AlarmRaised(
        alarm=AlarmId(alarm),
        rule="detector-fire",
        revision=1,
        point=PointId(point),
        unit=UnitId(unit),
        place=place,
        zone=zone,
        priority=1,
        handling="life_safety",
        title=Text(f"{point} 火警", f"{point} fire"),
        guidance=Text("核实", "Verify"),
        order=False,
        plan=plan,
        skill="fire",
        value=1.0,
        at=at_s,
        late=late,
    )


def actions(plan: Plan) -> list[Action]:
    return [step for step in plan.steps if isinstance(step, Action)]
