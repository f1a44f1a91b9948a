// What an alarm says in one line, on the wall and in the list.
const alarmClass = (alarm) => `p${alarm.priority} ${alarm.life === 'unacknowledged' ? 'un' : isActive(alarm) ? 'ack' : 'rtn'}`;

// A measured value with its unit; of a state its word, unless the title says it already; else nothing.
function alarmValue(app, alarm) {
  if (alarm.value === null || alarm.value === undefined) return ['', ''];
  const { words, house } = app;
  const [text, unit] = house.shown(alarm.point, alarm.value, alarm.unit_symbol);
  if (unit) return [text, unit];
  const said = words.pick(alarm.title).toLowerCase().includes(text.toLowerCase());
  return house.worded(alarm.point, alarm.value) && !said ? [text, ''] : ['', ''];
}

function alarmLine(app, alarm) {
  const { words, house } = app;
  const [value, unit] = alarmValue(app, alarm);
  const limit = alarm.limit === null || alarm.limit === undefined ? '' : house.shown(alarm.point, alarm.limit, alarm.unit_symbol).filter(Boolean).join(' ');
  return [
    value && `${value}${unit ? ` ${unit}` : ''}`, limit && words.t('limit', { limit }), house.placeName(alarm.place),
    alarm.acknowledged_by && !mayAcknowledge(alarm) && words.t('ack-by', { by: house.personName(alarm.acknowledged_by) }),
    !isActive(alarm) && alarm.returned_at && words.t(mayAcknowledge(alarm) ? 'returned-at' : 'returned-reset', { at: words.moment(alarm.returned_at) }),
  ].filter(Boolean).join(' · ');
}

// The list never moves under a finger: what had to wait, or lies out of sight, shows as a chip.
class NewCritical {
  constructor(app, list, rows) {
    Object.assign(this, { app, list, rows, seen: null });
    this.node = h('button', { class: 'new-p1', type: 'button', hidden: true, onclick: () => this.jump() });
    list.addEventListener('scroll', () => this.paint());
  }

  fresh() { return this.app.house.unacknowledged(1).filter(isActive); }

  hidden(alarm) {
    const row = this.rows.rows.get(alarm.id);
    if (!row) return this.rows.items.includes(alarm);
    const [frame, box] = [this.list.getBoundingClientRect(), row.getBoundingClientRect()];
    return box.bottom < frame.top + 4 || box.top > frame.bottom - 4;
  }

  paint() {
    const out = this.fresh().filter((alarm) => this.hidden(alarm));
    show(this.node, out.length > 0);
    say(this.node, this.app.words.t('new-critical', { n: out.length }));
  }

  jump() {
    this.rows.over = 0;
    this.rows.settle();
    const first = this.fresh().find((alarm) => this.hidden(alarm)) ?? this.fresh()[0];
    const row = first && this.rows.rows.get(first.id);
    row?.scrollIntoView({ block: 'nearest' });
    row?.focus?.();
    this.paint();
  }
}
