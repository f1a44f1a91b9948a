// In which order alarms are shown, which are held back, and which stand under the alarm that explains them.
const TO_SEE = ['unacknowledged', 'returned', 'latched_unacknowledged'];
const GONE = ['returned', 'latched_unacknowledged', 'latched'];

// Going on now, as against over: only that is drawn in full colour.
const isActive = (alarm) => !GONE.includes(alarm.life);
const mayAcknowledge = (alarm) => TO_SEE.includes(alarm.life);
const mayReset = (alarm) => alarm.life === 'latched';
const isVital = (alarm) => alarm.handling === 'life_safety';

// Why nobody is told of it: set off on purpose, or put aside by a person.
const isTested = (alarm) => Boolean(alarm.test || alarm.flags?.includes('test'));
const isAside = (alarm) => (alarm.flags ?? []).some((flag) => flag !== 'test');
const isHeld = (alarm) => isTested(alarm) || isAside(alarm);

// A critical alarm that stands keeps its place on top when it is seen; then what waits for a person,
// then what is seen, and last what is held back.
function rankOf(alarm) {
  if (isHeld(alarm)) return 3;
  if (alarm.priority === 1 && isActive(alarm)) return 0;
  return mayAcknowledge(alarm) ? 1 : 2;
}
const inOrder = (a, b) => rankOf(a) - rankOf(b) || a.priority - b.priority || Number(!mayAcknowledge(a)) - Number(!mayAcknowledge(b))
  || Number(!isActive(a)) - Number(!isActive(b)) || b.raised_at - a.raised_at;

// What people are called for, life safety first: neither held back nor explained by another open alarm.
const isLoud = (alarm, alarms) => mayAcknowledge(alarm) && !isHeld(alarm) && !isExplained(alarm, alarms);
const isExplained = (alarm, alarms) => Boolean(alarm.cause) && !isVital(alarm) && alarm.cause !== alarm.id && alarms.has(alarm.cause);
const byDanger = (a, b) => Number(isVital(b)) - Number(isVital(a)) || inOrder(a, b);

// {tops, under}: the rows, and by the id of a root what it explains among them.
function folded(list) {
  const here = new Map(list.map((alarm) => [alarm.id, alarm]));
  const under = new Map();
  const tops = list.filter((alarm) => {
    if (!isExplained(alarm, here)) return true;
    under.set(alarm.cause, [...(under.get(alarm.cause) ?? []), alarm]);
    return false;
  });
  return { tops, under };
}

// How often it came, when that is more than once: "×12".
const timesOf = (alarm) => (alarm.chatter_since ? Math.max(alarm.chatter_count ?? 0, alarm.count ?? 1) : alarm.count ?? 1);

const KINDS_OF_ALARM = {
  todo: (alarm) => mayAcknowledge(alarm) && !isHeld(alarm), held: isAside, test: isTested,
};
