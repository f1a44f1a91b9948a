// One alarm: what it says now, what to do, why it was raised, who was told.
const TREND_MS = HOUR;
const EARLIER = 10; // of the same alarm

class AlarmDetail {
  constructor(app, choose) {
    Object.assign(this, { app, choose, earlier: [] });
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
    const button = (key, press, css = 'btn') => h('button', { class: css, type: 'button', 'data-deed': key, onclick: press }, words.t(key));
    this.ack = button('acknowledge', () => acknowledgeOne(app, this.id, this.ack), 'btn pr');
    this.reset = button('reset', () => app.do(`alarms/${this.id}/reset`, {}, this.reset), 'btn pr');
    this.shelve = button('shelve', () => askShelve(app, this.alarm));
    this.out = button('out-of-service', () => askOut(app, this.alarm));
    this.why = button('why', () => app.go('quality', { part: 'why', point: this.alarm.point }));
    this.flags = h('div', { class: 'flags' });
    this.explained = h('div', { class: 'list-of' });
    this.before = h('div', { class: 'list-of' });
    this.order = h('button', { class: 'btn', type: 'button', onclick: () => this.open() }, words.t('open-order'));
    this.run = h('button', { class: 'btn', type: 'button', onclick: () => app.go('emergency', { run: this.alarm?.run ?? '' }) }, words.t('open-console'));
    this.body = h('div', { class: 'scroll' },
      h('div', { class: 'dt' }, this.picture, h('div', { class: 'grow' }, this.title, this.where)),
      this.flags, h('div', { class: 'big' }, Object.values(this.figures)), this.trend.root,
      h('div', { class: 'sx' }, h('h3', {}, words.t('what-to-do')), this.todo),
      h('div', { class: 'sx' }, h('h3', {}, words.t('why-raised')), this.facts),
      h('div', { class: 'sx' }, h('h3', {}, words.t('who-was-told')), this.told),
      this.part('explains-title', this.explained), this.part('earlier', this.before));
    this.bar = h('div', { class: 'ab' }, this.ack, this.reset, this.shelve, this.out, this.order, this.run, this.why);
    this.empty = h('p', { class: 'hint' }, words.t('pick-alarm'));
    this.root = h('section', { class: 'panel detail' }, h('button', { class: 'btn back', type: 'button', onclick: () => choose(null) }, words.t('back')), this.empty, this.body, this.bar);
  }

  part(key, node) { return h('div', { class: 'sx', 'data-part': key }, h('h3', {}, this.app.words.t(key)), node); }

  get alarm() { return this.app.house.alarms.get(this.id); }

  set(id) {
    if (id !== this.id) Object.assign(this, { people: [], earlier: [] });
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
    const same = await ask(`alarms?open=false&limit=${EARLIER + 1}&rule=${encodeURIComponent(alarm.rule)}&point=${encodeURIComponent(alarm.point)}`);
    if (asked !== this.id) return;
    if (same.status === 200) this.earlier = same.body.filter((each) => each.id !== alarm.id && each.rule === alarm.rule && each.point === alarm.point);
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
    this.paintFlags(alarm);
    this.paintExplained(alarm);
    this.paintEarlier();
    const steps = words.pick(alarm.guidance).split(/\n+|\uff1b|;\s/).map((line) => line.trim()).filter(Boolean).map((line) => line[0].toUpperCase() + line.slice(1));
    if (this.todo.dataset.text !== steps.join('|')) swap(this.todo, steps.map((line) => h('li', {}, h('span', {}, line))));
    this.todo.dataset.text = steps.join('|');
    show(this.ack, mayAcknowledge(alarm));
    show(this.reset, mayReset(alarm));
    show(this.why, this.app.data.nav.includes('quality') && Boolean(alarm.point));
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
      alarm.returned_at && ['returned', words.moment(alarm.returned_at)], timesOf(alarm) > 1 && ['times', alarm.chatter_since ? words.t('chatters-since', { n: timesOf(alarm), at: words.moment(alarm.chatter_since) }) : words.number(timesOf(alarm))],
      alarm.fleeting && ['kind', words.t('fleeting')], alarm.late && ['kind', words.t('found-late')],
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

  // Drawn again only when what it says is new: a finger may be on it.
  fill(node, lines, make) {
    const text = JSON.stringify(lines);
    if (node.dataset.text !== text) swap(node, lines.map(make));
    node.dataset.text = text;
  }

  paintFlags(alarm) { this.fill(this.flags, flagsOf(this.app.house, alarm), (flag) => flagLine(this.app, alarm, flag)); }

  // What it explains; of what is explained, the root.
  paintExplained(alarm) {
    const { words, house } = this.app;
    const root = alarm.cause && alarm.cause !== alarm.id ? house.alarms.get(alarm.cause) : null;
    const under = house.openAlarms().filter((each) => each.cause === alarm.id && each.id !== alarm.id);
    const lines = [...(root ? [['root', root.id, words.t('root-is', { title: root.title })]] : []), ...under.slice(0, EARLIER).map((each) => ['under', each.id, words.pick(each.title)])];
    if (under.length > EARLIER) lines.push(['more', '', words.t('and-more', { n: under.length - EARLIER })]);
    show(this.explained.parentElement, lines.length > 0);
    this.fill(this.explained, lines, ([kind, id, text]) => (id ? h('button', { class: `link ${kind}`, type: 'button', onclick: () => this.choose(id) }, text) : h('div', { class: 'dim' }, text)));
  }

  paintEarlier() {
    const { words, house } = this.app;
    const lasted = (each) => (each.returned_at ? words.t('lasted', { span: words.span(each.returned_at - each.raised_at) }) : '');
    const lines = this.earlier.slice(0, EARLIER).map((each) => [words.moment(each.raised_at), lasted(each), each.acknowledged_by ? words.t('ack-by', { by: house.personName(each.acknowledged_by) }) : ''].filter(Boolean).join(' · '));
    this.fill(this.before, lines.length ? lines : [words.t('earlier-none')], (line) => h('div', {}, line));
  }
}
