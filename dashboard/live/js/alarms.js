// The alarm list: what is wrong, by priority; one alarm in detail beside it.
class Alarms {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.filter = null;
    this.pills = [null, 1, 2, 3, 4].map((priority) => this.pill(priority));
    this.search = h('input', { type: 'search', placeholder: words.t('find-alarm'), 'aria-label': words.t('find-alarm'), oninput: () => this.paint() });
    this.count = h('span', { class: 'meta' });
    this.list = h('div', { class: 'als', role: 'listbox', 'aria-label': words.t('nav-alarms') });
    this.rows = new Rows(this.list, (alarm) => this.make(alarm), (row, alarm) => this.patch(row, alarm));
    this.chip = new NewCritical(app, this.list, this.rows);
    this.none = h('p', { class: 'hint', hidden: true });
    this.foot = h('span');
    this.detail = new AlarmDetail(app, () => this.select(null));
    this.root = h('div', { class: 'alarms' },
      h('section', { class: 'panel list' },
        h('div', { class: 'ph' }, h('h2', {}, words.t('nav-alarms')), this.count, h('span', { class: 'meta end' }, words.t('sorted'))),
        h('div', { class: 'flt' }, this.pills.map((pill) => pill.node), h('label', { class: 'pill find' }, icon('find'), this.search)),
        h('div', { class: 'g gh' }, h('span'), h('span'), ['col-alarm', 'col-place'].map((key) => h('span', {}, words.t(key))), ['col-value', 'col-since', 'col-action'].map((key) => h('span', { class: 'num' }, words.t(key)))),
        this.none, this.list, this.chip.node,
        h('div', { class: 'ft' }, this.foot, h('span', { class: 'keys cut' }, words.t('keys')))),
      this.detail.root);
  }

  pill(priority) {
    const { words } = this.app;
    const count = h('span');
    const node = h('button', { class: 'pill', type: 'button', 'aria-pressed': 'false', onclick: () => { this.filter = priority; this.paint(); } },
      priority ? marked(priority, 'ack', words) : h('span', {}, words.t('active')), count);
    return { priority, node, count };
  }

  enter({ alarm }) { if (alarm) this.select(alarm); }

  place() { return this.selected ? { alarm: this.selected } : {}; }

  points() { return this.detail.points(); }

  shown() {
    const wanted = this.search.value.trim().toLowerCase();
    const { words, house } = this.app;
    return house.openAlarms().filter((alarm) => (this.filter === null || alarm.priority === this.filter)
      && (!wanted || [words.pick(alarm.title), house.placeName(alarm.place), house.unitName(alarm.unit), alarm.point].join(' ').toLowerCase().includes(wanted)));
  }

  make(alarm) {
    const { words } = this.app;
    const row = h('div', { class: 'g gr', role: 'option', tabindex: -1, 'data-id': alarm.id },
      h('span', { class: 'bar' }), newMark(), h('div', { class: 'grow' }, h('div', { class: 't cut' }), h('div', { class: 's cut' })),
      h('span', { class: 'mid cut pl' }), h('span', { class: 'n' }, h('span'), h('span', { class: 'u' })), h('span', { class: 'age' }),
      h('span', { class: 'end' }, h('button', { class: 'btn sm', type: 'button', 'aria-label': words.t('acknowledge') }, words.t('ack-short')), h('span', { class: 'dim' }, words.t('acked'))));
    row.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (button) this.acknowledge(alarm.id, button);
      else this.select(alarm.id);
    });
    return row;
  }

  patch(row, alarm) {
    const { words, house } = this.app;
    const [, picture, text, place, value, age, end] = row.children;
    put(row, 'class', `g gr ${alarmClass(alarm)} ${alarm.id === this.selected ? 'sel' : ''}`);
    put(row, 'aria-selected', alarm.id === this.selected);
    mark(picture, alarm.priority, lifeMark(alarm), words);
    say(text.firstChild, words.pick(alarm.title));
    say(text.lastChild, this.app.phone() ? `${words.span(words.now() - alarm.raised_at)} · ${alarmLine(this.app, alarm)}` : this.line(alarm));
    say(place, house.placeName(alarm.place));
    const [figure, unit] = alarmValue(this.app, alarm);
    say(value.firstChild, figure);
    say(value.lastChild, unit);
    say(age, words.span(words.now() - alarm.raised_at));
    show(end.firstChild, mayAcknowledge(alarm));
    show(end.lastChild, !mayAcknowledge(alarm));
  }

  // The place has a column of its own here.
  line(alarm) { return alarmLine(this.app, { ...alarm, value: null, place: '' }) || this.app.house.unitName(alarm.unit); }

  paint() {
    const { words, house } = this.app;
    const all = house.openAlarms();
    for (const { priority, node, count } of this.pills) {
      say(count, priority ? all.filter((alarm) => alarm.priority === priority).length : all.length);
      node.classList.toggle('on', this.filter === priority);
      put(node, 'aria-pressed', this.filter === priority);
    }
    const shown = this.shown();
    this.rows.set(shown);
    show(this.none, house.loaded && !shown.length);
    say(this.none, words.t(all.length ? 'no-alarm-found' : 'no-alarms'));
    say(this.count, words.t('alarm-counts', { open: all.length, new: all.filter((alarm) => alarm.life === 'unacknowledged').length, returned: all.filter((alarm) => alarm.life === 'returned').length }));
    say(this.foot, words.t('last-ten', { n: all.filter((alarm) => words.now() - alarm.raised_at < 10 * MINUTE).length }));
    if (!this.selected && shown.length && !this.app.phone()) this.select(shown[0].id);
    this.root.classList.toggle('open', Boolean(this.selected));
    this.detail.paint();
    this.chip.paint();
  }

  select(id) {
    this.selected = id;
    this.detail.set(id);
    this.root.classList.toggle('open', Boolean(id));
    this.app.subscribe();
    this.app.soon();
  }

  acknowledge(id, button) { return this.app.do(`alarms/${id}/acknowledge`, {}, button); }

  key(event) {
    const list = this.shown();
    const at = list.findIndex((alarm) => alarm.id === this.selected);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.length) {
      event.preventDefault();
      this.select(list[Math.max(0, Math.min(list.length - 1, at + step))].id);
      const row = this.rows.rows.get(this.selected);
      row?.scrollIntoView({ block: 'nearest' });
      row?.focus({ preventScroll: true });
    }
    const alarm = list[at];
    if (alarm && event.key.toLowerCase() === 'a' && mayAcknowledge(alarm)) this.acknowledge(alarm.id);
    if (alarm && event.key === 'Enter' && event.composedPath()[0].tagName !== 'BUTTON') this.detail.open();
  }
}
