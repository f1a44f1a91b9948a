"""Who reacts to what, inside the unit of work that caused it: the whole product on one page.

Every reaction says what is true afterwards and is safe to run twice. A subject adds its lines to
both tables; `essential` is what still runs when one of the others fails: an alarm and the message
to the person on duty, nothing else.
"""

from functools import partial

from server import causes, events
from server.alarms import handlers as alarms
from server.alarms.api import here
from server.dispatch import desk, office
from server.emergency import handlers as emergency
from server.flags import handlers as flags
from server.flags_here import maker as flagger
from server.flags_here import rule_of
from server.notify import handlers as notify
from server.orders import handlers as orders
from server.parts import Parts
from server.plan_here import maker
from server.rules_here import rule_approved
from server.unit import Reaction, Reactions, Table, Unit
from watchkeeper.ids import PointId

NOBODY_REACHED = "delivery-exhausted"  # the rule of the alarm about it


def reactions(parts: Parts) -> Reactions:
    """Return the reactions to every event, in order."""
    runs_of, flags_of, rule = maker(parts), flagger(parts), rule_of(parts)

    def table(unit: Unit) -> Table:
        ours = here(unit, parts.new_id)
        bureau, sends, runs = office(unit, parts), desk(unit, parts), runs_of(unit)
        flagged = flags_of(unit)
        return {
            events.AlarmRaised: (
                unless_held(partial(notify.alarm_raised, office=bureau)),
                partial(causes.root_raised, here=ours, watch_of=parts.rules.get),
                unless_held(partial(orders.order_for_alarm, desk=sends)),
                unless_held(partial(emergency.alarm_raised, here=runs)),
                partial(flags.alarm_raised, here=flagged),
            ),
            events.AlarmWorsened: (unless_held(partial(notify.alarm_worsened, office=bureau)),),
            events.AlarmCalmed: (unless_held(partial(notify.alarm_calmed, office=bureau)),),
            events.FlagStands: (partial(alarms.flag_stands, here=ours, rule_of=rule),),
            events.FlagEnded: (partial(alarms.flag_ended, here=ours, rule_of=rule),),
            events.WalkTestEnded: (partial(notify.walk_test_ended, office=bureau),),
            events.AlarmsExplained: (
                partial(orders.explained, desk=sends),
                partial(notify.explained, office=bureau),
            ),
            events.RuleApproved: (partial(rule_approved, unit=unit, parts=parts),),
            events.AlarmAcknowledged: (
                partial(notify.alarm_acknowledged, office=bureau),
                partial(emergency.alarm_acknowledged, here=runs),
            ),
            events.AlarmReturned: (
                partial(orders.note_return, desk=sends),
                partial(emergency.alarm_returned, here=runs),
                partial(flags.alarm_returned, here=flagged),
                partial(causes.root_returned, here=ours),
            ),
            events.OrderOpened: (partial(alarms.order_opened, alarms=ours.alarms),),
            events.OrderJoined: (partial(alarms.order_opened, alarms=ours.alarms),),
            events.OrderAssigned: (partial(notify.order_assigned, office=bureau),),
            events.OrderMoved: (partial(notify.order_moved, office=bureau),),
            events.OrderUnclaimed: (partial(notify.order_unclaimed, office=bureau),),
            events.OrderOverdue: (partial(notify.order_overdue, office=bureau),),
            events.RunStarted: (partial(alarms.run_started, alarms=ours.alarms),),
            events.RoleCalled: (partial(notify.role_called, office=bureau),),
            events.RunMoved: (partial(alarms.run_started, alarms=ours.alarms),),
            events.DeliveryExhausted: (
                partial(_nobody_reached, parts=parts, here=ours),
                partial(notify.nobody_reached, office=bureau),
            ),
        }

    return table


def essential(parts: Parts) -> Reactions:
    """Return what must not be lost when a reaction fails: the message to the person on duty."""
    rule = rule_of(parts)

    def table(unit: Unit) -> Table:
        bureau, ours = office(unit, parts), here(unit, parts.new_id)
        return dict.fromkeys(events.Event.__args__, ()) | {
            events.AlarmRaised: (unless_held(partial(notify.alarm_raised, office=bureau)),),
            events.AlarmWorsened: (unless_held(partial(notify.alarm_worsened, office=bureau)),),
            events.FlagEnded: (partial(alarms.flag_ended, here=ours, rule_of=rule),),
        }

    return table


def unless_held(reaction: Reaction) -> Reaction:
    """Leave the reaction out while a flag stands: the alarm is recorded, nobody is told or sent."""

    def react(event: events.AlarmRaised | events.AlarmWorsened | events.AlarmCalmed) -> None:
        match event:
            case events.AlarmWorsened():
                held = event.now.held
            case events.AlarmCalmed():
                held = event.raised.held
            case _:
                held = event.held
        if not held:
            reaction(event)

    return react


def _nobody_reached(event: events.DeliveryExhausted, parts: Parts, here: alarms.Here) -> None:
    watch = parts.rules.signal(NOBODY_REACHED, PointId(f"{event.person}/delivery"))
    alarms.notice(watch, event.at or here.now, here)
