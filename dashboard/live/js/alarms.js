// The alarm list: what is wrong, what waits for a person first; one alarm in detail beside it.
const PAGE = 200; // rows drawn at once
const FILTERS = [null, 'todo', 1, 2, 3, 4, 'held', 'test'];

class Alarms {
  constructor(app) {
    this.app = app;
    const { words } = app;
    Object.assign(this, { filter: null, most: PAGE, unfolded: new Set(), under: new Map(), items: [] });
    this.bulk = new Bulk(app, () => this.paint());
    this.pills = FILTERS.map((key) => this.pill(key));
    this.search = h('input', { type: 'search', placeholder: words.t('find-alarm'), 'aria-label': words.t('find-alarm'), 'aria-keyshortcuts': '/', oninput: () => this.look(), onkeydown: (event) => this.leaveSearch(event) });
    this.count = h('span', { class: 'meta' });
    this.list = h('div', { class: 'als', role: 'listbox', 'aria-multiselectable': 'true', 'aria-label': words.t('nav-alarms') });
    this.rows = new Rows(this.list, (alarm) => this.make(alarm), (row, alarm) => this.patch(row, alarm));
    this.chip = new NewCritical(app, this.list, this.rows);
    this.none = h('p', { class: 'hint', hidden: true });
    this.more = h('button', { class: 'btn more', type: 'button', hidden: true, onclick: () => { this.most += PAGE; this.paint(); } });
    this.foot = h('span');
    this.detail = new AlarmDetail(app, (id) => this.select(id));
    this.test = h('button', { class: 'btn sm end', type: 'button', onclick: () => beginTest(app) }, words.t('test-begin'));
    this.root = h('div', { class: 'alarms' },
      h('section', { class: 'panel list' },
        h('div', { class: 'ph' }, h('h2', {}, words.t('nav-alarms')), this.count, this.test),
        h('div', { class: 'flt' }, this.pills.map((pill) => pill.node), h('label', { class: 'pill find' }, icon('find'), this.search)),
        h('div', { class: 'g gh' }, h('span'), h('span'), h('span'), ['col-alarm', 'col-place'].map((key) => h('span', {}, words.t(key))), ['col-value', 'col-since', 'col-action'].map((key) => h('span', { class: 'num' }, words.t(key)))),
        this.none, this.list, this.more, this.chip.node, this.bulk.bar,
        h('div', { class: 'ft' }, this.foot, h('span', { class: 'keys cut' }, words.t('keys')))),
      this.detail.root);
  }

  pill(key) {
    const { words } = this.app;
    const count = h('span');
    const node = h('button', { class: 'pill', type: 'button', 'data-filter': key ?? 'all', 'aria-pressed': 'false', onclick: () => { this.filter = key; this.look(); } },
      typeof key === 'number' ? marked(key, 'ack', words) : h('span', {}, words.t(key ? `filter-${key}` : 'active')), count);
    return { key, node, count };
  }

  look() { this.most = PAGE; this.list.scrollTop = 0; this.paint(); }

  leaveSearch(event) {
    if (event.key !== 'Escape' && event.key !== 'Enter') return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === 'Escape' && this.search.value) { this.search.value = ''; this.look(); }
    this.search.blur();
  }

  enter({ alarm }) { if (alarm) this.select(alarm); }

  place() { return this.selected ? { alarm: this.selected } : {}; }

  points() { return this.detail.points(); }

  fits(alarm) {
    if (this.filter === null) return true;
    return typeof this.filter === 'number' ? alarm.priority === this.filter : KINDS_OF_ALARM[this.filter](alarm);
  }

  shown() {
    const wanted = this.search.value.trim().toLowerCase();
    const { words, house } = this.app;
    const about = (alarm) => [words.pick(alarm.title), house.placeName(alarm.place), house.unitName(alarm.unit), alarm.point].join(' ').toLowerCase();
    return house.openAlarms().filter((alarm) => this.fits(alarm) && (!wanted || about(alarm).includes(wanted)));
  }

  // Rows as they stand: a root, and when it is unfolded what it explains. Whoever searches sees all.
  lay(shown) {
    if (this.search.value.trim()) { this.under = new Map(); return shown; }
    const { tops, under } = folded(shown);
    this.under = under;
    return tops.flatMap((alarm) => (this.unfolded.has(alarm.id) ? [alarm, ...(under.get(alarm.id) ?? [])] : [alarm]));
  }

  make(alarm) {
    const { words } = this.app;
    const row = h('div', { class: 'g gr', role: 'option', tabindex: -1, 'data-id': alarm.id },
      h('span', { class: 'bar' }), h('button', { class: 'ck', type: 'button', role: 'checkbox', 'data-do': 'pick' }), newMark(),
      h('div', { class: 'grow' }, h('div', { class: 't row' }, h('span', { class: 'cut' }), h('span', { class: 'chip times' }), h('span', { class: 'chip aside' }), h('button', { class: 'chip fold', type: 'button', 'data-do': 'fold' })), h('div', { class: 's cut' })),
      h('span', { class: 'mid cut pl' }), h('span', { class: 'n' }, h('span'), h('span', { class: 'u' })), h('span', { class: 'age' }),
      h('span', { class: 'end' }, h('button', { class: 'btn sm', type: 'button', 'data-do': 'ack', 'aria-label': words.t('acknowledge') }, words.t('ack-short')), h('span', { class: 'dim' })));
    row.addEventListener('click', (event) => this.pressed(alarm.id, event));
    return row;
  }

  pressed(id, event) {
    const button = event.target.closest('button');
    const kind = button?.dataset.do;
    if (kind === 'ack') this.acknowledge(id, button);
    else if (kind === 'pick') this.bulk.toggle(id);
    else if (kind === 'fold') { if (!this.unfolded.delete(id)) this.unfolded.add(id); this.paint(); }
    else if (event.shiftKey) this.bulk.span(this.items, this.selected, id);
    else this.select(id);
  }

  patch(row, alarm) {
    const { words, house } = this.app;
    const [, box, picture, text, place, value, age, end] = row.children;
    const picked = this.bulk.has(alarm.id);
    const inner = isExplained(alarm, house.alarms) && this.unfolded.has(alarm.cause);
    put(row, 'class', `g gr ${alarmClass(alarm)} ${alarm.id === this.selected ? 'sel' : ''} ${isHeld(alarm) ? 'aside' : ''} ${inner ? 'inner' : ''}`);
    put(row, 'aria-selected', alarm.id === this.selected);
    put(box, 'aria-checked', picked);
    put(box, 'aria-label', words.t('pick-row', { title: alarm.title }));
    mark(picture, alarm.priority, lifeMark(alarm), words);
    this.title(text.firstChild, alarm);
    say(text.lastChild, this.app.phone() ? `${words.span(words.now() - alarm.raised_at)} · ${alarmLine(this.app, alarm)}` : this.line(alarm));
    say(place, house.placeName(alarm.place));
    const [figure, unit] = alarmValue(this.app, alarm);
    say(value.firstChild, figure);
    say(value.lastChild, unit);
    say(age, words.span(words.now() - alarm.raised_at));
    show(end.firstChild, mayAcknowledge(alarm));
    show(end.lastChild, !mayAcknowledge(alarm));
    say(end.lastChild, words.t(mayReset(alarm) ? 'to-reset' : 'acked'));
  }

  title({ children: [name, times, aside, fold] }, alarm) {
    const { words } = this.app;
    const [n, under] = [timesOf(alarm), this.under.get(alarm.id)?.length ?? 0];
    say(name, words.pick(alarm.title));
    show(times, n > 1);
    say(times, `×${n}`);
    put(times, 'title', words.t(alarm.chatter_since ? 'chatters' : 'times'));
    show(aside, isHeld(alarm));
    say(aside, asideWords(this.app, alarm));
    show(fold, under > 0);
    put(fold, 'aria-expanded', this.unfolded.has(alarm.id));
    say(fold, words.t('explains', { n: under, sign: this.unfolded.has(alarm.id) ? '▾' : '▸' }));
  }

  // The place has a column of its own here.
  line(alarm) { return alarmLine(this.app, { ...alarm, value: null, place: '' }) || this.app.house.unitName(alarm.unit); }

  paint() {
    const { words, house } = this.app;
    const all = house.openAlarms();
    this.paintPills(all);
    const rows = this.lay(this.shown());
    this.items = rows.slice(0, this.most);
    this.rows.set(this.items);
    show(this.more, rows.length > this.items.length);
    say(this.more, words.t('more-rows', { n: words.number(rows.length - this.items.length) }));
    show(this.none, house.loaded && !rows.length);
    say(this.none, words.t(all.length ? 'no-alarm-found' : 'no-alarms'));
    say(this.count, words.t('alarm-counts', { open: all.length, new: all.filter((alarm) => alarm.life === 'unacknowledged').length, returned: all.filter((alarm) => alarm.life === 'returned').length }));
    say(this.foot, words.t('last-ten', { n: all.filter((alarm) => words.now() - alarm.raised_at < 10 * MINUTE).length }));
    if (!this.selected && rows.length && !this.app.phone()) this.select(rows[0].id);
    this.root.classList.toggle('open', Boolean(this.selected));
    this.detail.paint();
    this.bulk.paint();
    this.chip.paint();
  }

  paintPills(all) {
    for (const { key, node, count } of this.pills) {
      const n = key === null ? all.length : typeof key === 'number' ? all.filter((alarm) => alarm.priority === key).length : all.filter(KINDS_OF_ALARM[key]).length;
      say(count, n);
      show(node, n > 0 || this.filter === key || !['held', 'test'].includes(key));
      node.classList.toggle('on', this.filter === key);
      put(node, 'aria-pressed', this.filter === key);
    }
  }

  select(id) {
    this.selected = id;
    this.detail.set(id);
    this.root.classList.toggle('open', Boolean(id));
    this.app.subscribe();
    this.app.soon();
  }

  acknowledge(id, button) { return acknowledgeOne(this.app, id, button); }

  move(step, event) {
    event.preventDefault();
    const at = this.items.findIndex((alarm) => alarm.id === this.selected);
    const next = this.items[Math.max(0, Math.min(this.items.length - 1, at + step))];
    if (event.shiftKey) this.bulk.span(this.items, this.selected, next.id);
    this.select(next.id);
    const row = this.rows.rows.get(next.id);
    row?.scrollIntoView({ block: 'nearest' });
    row?.focus({ preventScroll: true });
  }

  key(event) {
    const alarm = this.app.house.alarms.get(this.selected);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const onButton = event.composedPath()[0].tagName === 'BUTTON';
    const key = event.key.toLowerCase();
    if (step && this.items.length) this.move(step, event);
    else if (key === '/') { event.preventDefault(); this.search.focus(); }
    else if (key === 'escape') { if (!this.bulk.clear() && this.app.phone()) this.select(null); }
    else if (key === 'a' && this.bulk.size) this.bulk.ask();
    else if (alarm && key === 'a' && mayAcknowledge(alarm)) this.acknowledge(alarm.id);
    else if (alarm && key === 's') { event.preventDefault(); askShelve(this.app, alarm); }
    else if (alarm && key === 'enter' && !onButton) this.detail.open();
  }
}
