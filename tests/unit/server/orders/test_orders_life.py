"""A long random life of orders: what must hold whatever happens."""

from dataclasses import replace
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from server.events import AlarmRaised, AlarmReturned
from server.orders import decide, handlers
from server.orders.model import Actor, Move, State, Technician, Verb
from server.orders.ports import Desk
from server.timers import Timer
from tests.fakes import FixedClock
from tests.fakes_dispatch import MemoryLinks, MemoryOrders, MemoryTimers
from watchkeeper.documents import Text
from watchkeeper.errors import Forbidden, NotPossible, Refused
from watchkeeper.ids import AlarmId, PersonId, PointId, UnitId

CREW = [
    Technician(PersonId("wangqiang"), frozenset({"electrical"}), on_shift=True, load=0),
    Technician(PersonId("liumin"), frozenset({"electrical", "fire"}), on_shift=True, load=0),
    Technician(PersonId("sunwei"), frozenset({"fire"}), on_shift=False, load=0),
]
ASKERS = [Actor(one.id, frozenset({"technician"})) for one in CREW]
ASKERS.append(Actor(PersonId("chenlei"), frozenset({"operator"})))
TEXT = Text("过载", "overload")


class Life(RuleBasedStateMachine):
    """Alarms ring and return, people do things in any order, offers time out."""

    ringing = Bundle("ringing")

    @initialize()
    def begin(self) -> None:
        self.clock, self.names = FixedClock(), count(1)
        self.orders, self.timers = MemoryOrders(), MemoryTimers()
        self.links = MemoryLinks(self.clock.now())

    def desk(self) -> Desk:
        return Desk(
            self.orders, self.links, lambda: CREW, self.timers,
            lambda prefix: f"{prefix}_{next(self.names)}", self.clock.now(),
        )  # fmt: skip

    @rule(
        target=ringing,
        unit=st.sampled_from(["hvac-1", "lifts"]),
        priority=st.integers(1, 4),
        skill=st.sampled_from(["electrical", "fire", "plumbing"]),
        life=st.booleans(),
    )
    def rings(self, unit: str, priority: int, skill: str, *, life: bool) -> AlarmReturned:
        alarm, now = AlarmId(f"alm_{next(self.names)}"), self.clock.now()
        point = PointId(f"{unit}/active_power")
        raised = AlarmRaised(
            alarm, "overload", 1, point, UnitId(unit), "tower-a", "", priority,
            "life_safety" if life else "normal", TEXT, TEXT, order=True, plan="", skill=skill,
            value=1.0, at=now,
        )  # fmt: skip
        handlers.order_for_alarm(raised, self.desk())
        handlers.order_for_alarm(raised, self.desk())  # safe to run twice
        return AlarmReturned(alarm, "overload", point, UnitId(unit), now)

    @rule(alarm=consumes(ringing))
    def returns(self, alarm: AlarmReturned) -> None:
        before = dict(self.orders.rows)
        handlers.note_return(alarm, self.desk())
        for name, order in self.orders.rows.items():
            if before[name].state is not order.state:
                assert before[name].state is State.DONE  # a return ends no other order

    @rule(
        verb=st.sampled_from(decide.BY_PEOPLE), actor=st.sampled_from(ASKERS), pick=st.integers(0)
    )
    def asks(self, verb: Verb, actor: Actor, pick: int) -> None:
        if not self.orders.rows:
            return
        name = sorted(self.orders.rows)[pick % len(self.orders.rows)]
        before = self.orders.rows[name]
        may = decide.may(before.state, before.person, actor, life_safety=before.life_safety)
        command = Move(verb, reason="part", person=CREW[pick % 2].id)
        try:
            handlers.move(name, command, actor, self.desk())
        except (Refused, Forbidden, NotPossible):
            assert verb.value not in may
            assert self.orders.rows[name] == before
        else:
            assert verb.value in may

    @rule(seconds=st.sampled_from([1, 59, 61, 181, 1_801, 86_400]))
    def waits(self, seconds: int) -> None:
        self.clock.pass_(seconds)
        due = [timer for timer in self.timers.rows.values() if timer.due <= self.clock.now()]
        for timer in due:
            self.timers.cancel(timer.kind, timer.subject)
            self.fire(timer)

    def fire(self, timer: Timer) -> None:
        act = handlers.offer_over if timer.kind == handlers.OFFER else handlers.limit_over
        act(timer, self.desk())
        act(replace(timer, generation=-1), self.desk())  # an older one means nothing

    @invariant()
    def holds(self) -> None:
        open_keys = [order.key for order in self.orders.rows.values() if order.open]
        assert len(open_keys) == len(set(open_keys))
        for order in self.orders.rows.values():
            offered = (handlers.OFFER, order.id) in self.timers.rows
            assert offered == (order.state is State.ASSIGNED)  # no offer is without a clock
            assert (order.state is State.ON_HOLD) == (order.held_in is not None)
            if order.state in {State.NEW, State.TRIAGED}:
                assert order.person is None
            elif order.state not in {State.CANCELLED, State.DUPLICATE}:
                assert order.person is not None
            assert all(hold.until for hold in order.holds[:-1])
            assert not (order.life_safety and order.holds)
            times = [note.at for note in order.notes]
            assert times == sorted(times)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
