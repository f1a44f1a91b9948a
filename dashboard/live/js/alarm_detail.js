// One alarm: what it says now, what to do, why it was raised, who was told.
const TREND_MS = HOUR;

class AlarmDetail {
  constructor(app, back) {
    this.app = app;
    const { words } = app;
    this.picture = newMark();
    this.title = h('h2');
    this.where = h('div', { class: 'mid' });
    const figure = (key, css) => h('div', {}, h('div', { class: 'l' }, words.t(key)), h('div', { class: css }));
    this.figures = { now: figure('col-value', 'v'), limit: figure('limit-name', 'x'), quality: figure('quality', 'x'), since: figure('since', 'x') };
    this.pointName = this.figures.now.firstChild;
    this.trend = new Trend(app);
    this.todo = h('ol');
    this.facts = h('dl', { class: 'kv' });
    this.told = h('div', { class: 'told' });
    this.ack = h('button', { class: 'btn pr', type: 'button', onclick: () => app.do(`alarms/${this.id}/acknowledge`, {}, this.ack) }, words.t('acknowledge'));
    this.order = h('button', { class: 'btn', type: 'button', onclick: () => this.open() }, words.t('open-order'));
    this.run = h('button', { class: 'btn', type: 'button', onclick: () => app.go('emergency', { run: this.alarm?.run ?? '' }) }, words.t('open-console'));
    this.body = h('div', { class: 'scroll' },
      h('div', { class: 'dt' }, this.picture, h('div', { class: 'grow' }, this.title, this.where)),
      h('div', { class: 'big' }, Object.values(this.figures)), this.trend.root,
      h('div', { class: 'sx' }, h('h3', {}, words.t('what-to-do')), this.todo),
      h('div', { class: 'sx' }, h('h3', {}, words.t('why-raised')), this.facts),
      h('div', { class: 'sx' }, h('h3', {}, words.t('who-was-told')), this.told));
    this.bar = h('div', { class: 'ab' }, this.ack, this.order, this.run);
    this.empty = h('p', { class: 'hint' }, words.t('pick-alarm'));
    this.root = h('section', { class: 'panel detail' }, h('button', { class: 'btn back', type: 'button', onclick: back }, words.t('back')), this.empty, this.body, this.bar);
  }

  get alarm() { return this.app.house.alarms.get(this.id); }

  set(id) {
    if (id !== this.id) this.people = [];
    this.id = id;
    this.asked = '';
  }

  // Who was told of the alarm, its order and its run, asked when one of them is new: the stream has only one's own messages.
  async reached(alarm) {
    const [asked, about] = [this.id, [alarm.life, alarm.order, alarm.run].join('|')];
    if (about === this.asked) return;
    this.asked = about;
    const { status, body } = await ask(`alarms/${asked}`);
    if (status !== 200 || asked !== this.id) return;
    this.people = body.told;
    this.app.soon();
  }

  points() { return this.alarm?.point ? [this.alarm.point] : []; }

  // Enter goes to what is done about it: the console of a run, else the order.
  open() {
    if (this.alarm?.run) this.app.go('emergency', { run: this.alarm.run });
    else if (this.alarm?.order) this.app.go(this.app.data.nav.includes('orders') ? 'orders' : 'mine', { order: this.alarm.order });
  }

  paint() {
    const { alarm } = this;
    const { words, house } = this.app;
    show(this.empty, !alarm);
    show(this.body, Boolean(alarm));
    show(this.bar, Boolean(alarm));
    if (!alarm) return;
    mark(this.picture, alarm.priority, lifeMark(alarm), words);
    say(this.title, words.pick(alarm.title));
    say(this.where, [house.unitName(alarm.unit), house.placeName(alarm.place)].filter(Boolean).join(' · '));
    this.paintFigures(alarm);
    this.paintFacts(alarm);
    this.reached(alarm);
    this.paintTold(alarm);
    const steps = words.pick(alarm.guidance).split(/\n+|\uff1b|;\s/).map((line) => line.trim()).filter(Boolean).map((line) => line[0].toUpperCase() + line.slice(1));
    if (this.todo.dataset.text !== steps.join('|')) swap(this.todo, steps.map((line) => h('li', {}, h('span', {}, line))));
    this.todo.dataset.text = steps.join('|');
    show(this.ack, mayAcknowledge(alarm));
    show(this.order, Boolean(alarm.order));
    show(this.run, Boolean(alarm.run));
    this.trend.set(alarm);
  }

  paintFigures(alarm) {
    const { words, house } = this.app;
    const point = house.points?.get(alarm.point);
    const last = house.read(alarm.point);
    const [text, unit] = last.known ? house.shown(alarm.point, last.value, alarm.unit_symbol) : alarmValue(this.app, alarm);
    say(this.pointName, words.pick(point?.name) || words.t('col-value'));
    put(this.figures.now.lastChild, 'class', `v ${unit ? '' : 'w'}`);
    swap(this.figures.now.lastChild, text || '\u2013', unit && h('span', { class: 'u', style: 'font-size:1rem' }, unit));
    const [limit, symbol] = alarm.limit === null || alarm.limit === undefined ? ['', ''] : house.shown(alarm.point, alarm.limit, alarm.unit_symbol);
    show(this.figures.limit, Boolean(limit));
    say(this.figures.limit.lastChild, symbol ? `${limit} ${symbol}` : limit);
    say(this.figures.quality.lastChild, last.known ? words.quality(last.quality) : words.t(last.at ? 'quality-old' : 'quality-none', { age: last.at ? words.span(words.now() - last.at) : '' }));
    say(this.figures.since.lastChild, words.span(words.now() - alarm.raised_at));
  }

  paintFacts(alarm) {
    const { words, house } = this.app;
    const order = alarm.order && house.orders.get(alarm.order);
    const facts = [
      ['rule', words.t('rule-revision', { rule: alarm.rule, revision: alarm.revision })], ['raised', words.moment(alarm.raised_at)],
      alarm.returned_at && ['returned', words.moment(alarm.returned_at)], alarm.count > 1 && ['times', words.number(alarm.count)],
      alarm.acknowledged_at && ['acknowledged', `${house.personName(alarm.acknowledged_by)} · ${words.moment(alarm.acknowledged_at)}`],
      order && ['order', [words.t(`order-${order.state}`), house.ownerName(order)].filter(Boolean).join(' · ')],
      ['point', alarm.point],
    ].filter(Boolean);
    const text = JSON.stringify(facts);
    if (this.facts.dataset.text !== text) swap(this.facts, facts.map(([key, value]) => [h('dt', {}, words.t(key)), h('dd', {}, value)]).flat());
    this.facts.dataset.text = text;
  }

  paintTold(alarm) {
    const { words, house } = this.app;
    const order = alarm.order && house.orders.get(alarm.order);
    const known = (told) => (house.people.some((each) => each.id === told.person) ? house.personName(told.person) : told.name);
    const lines = (this.people ?? []).flatMap((told) => told.channels.map(({ channel, state, at }) => `${known(told)} · ${words.has(`channel-${channel}`) ? words.t(`channel-${channel}`) : channel} · ${words.t(`delivery-${state}`)} ${words.moment(at)}`));
    if (order?.person) lines.push(words.t('told-order', { name: house.ownerName(order), state: words.t(`order-${order.state}`) }));
    const text = lines.join('|');
    if (this.told.dataset.text !== text || !this.told.firstChild) swap(this.told, lines.length ? lines.map((line) => h('div', {}, line)) : [h('div', { class: 'dim' }, words.t('told-nobody'))]);
    this.told.dataset.text = text;
  }
}
