// One order: where it stands, the value that caused it, what to do, notes, and the deeds allowed now.
const STEPS = [['accepted', ['accepted', 'en_route']], ['on_site', ['on_site']], ['in_progress', ['in_progress', 'on_hold']], ['done', ['done', 'verified', 'closed']]];

class OrderDetail {
  constructor(app, { phone = false } = {}) {
    Object.assign(this, { app, phone });
    const { words } = app;
    this.picture = newMark();
    this.title = h('div', { class: 't', style: 'font-size:1.125rem' });
    this.where = h('div', { class: 's' });
    this.limit = newLimit();
    this.stepper = h('div', { class: 'stepper' }, STEPS.map(([key]) => h('div', {}, words.t(`step-${key}`))));
    this.pointName = h('div', { class: 'l' });
    this.figure = h('div', { class: 'v' });
    this.trend = new Trend(app, { width: 230, height: 96 });
    this.value = h('div', { class: 'card mv' }, h('div', {}, this.pointName, this.figure), this.trend.root);
    this.todo = h('div', { class: 'txt' });
    this.guide = h('div', { class: 'card' }, h('div', { class: 'cap' }, words.t('what-to-do')), this.todo);
    this.facts = h('dl', { class: 'kv' });
    this.about = h('div', { class: 'card' }, h('div', { class: 'cap' }, words.t('about-order')), h('div', { class: 'txt' }, this.facts));
    this.notes = h('div', { class: 'notes' });
    this.log = h('div', { class: 'card' }, h('div', { class: 'cap' }, words.t('notes')), h('div', { class: 'txt' }, this.notes));
    this.gone = h('p', { class: 'hint' }, words.t('order-gone'));
    this.body = h('div', { class: 'bdy' }, this.gone, h('div', { class: 'card' }, h('div', { class: 'oc', style: 'padding-bottom:.5rem' }, this.picture, h('div', { class: 'grow' }, this.title, this.where)), this.limit, this.stepper), this.value, this.guide, this.about, this.log);
    this.acts = h('div', { class: phone ? 'bot' : 'acts' });
  }

  get order() { return this.app.house.orders.get(this.id); }

  set(id) { this.id = id; }

  points() {
    const alarm = this.order?.alarm && this.app.house.alarms.get(this.order.alarm);
    return alarm?.point ? [alarm.point] : [];
  }

  paint() {
    const { order } = this;
    const { words, house } = this.app;
    show(this.gone, Boolean(this.id) && !order && house.loaded);
    for (const card of [...this.body.children].slice(1)) show(card, Boolean(order));
    if (!order) { swap(this.acts); return; }
    mark(this.picture, order.priority, order.state === 'done' ? 'rtn' : LANES.accept.includes(order.state) ? '' : 'ack', words);
    say(this.title, words.pick(order.title));
    say(this.where, [house.placeName(order.place), house.unitName(order.unit)].filter(Boolean).join(' · '));
    limit(this.limit, order, words);
    this.paintSteps(order);
    this.paintValue(order);
    this.paintAbout(order);
    this.paintActs(order);
  }

  paintSteps(order) {
    const at = STEPS.findIndex(([, states]) => states.includes(order.state));
    [...this.stepper.children].forEach((node, i) => put(node, 'class', i < at || order.state === 'done' ? 'ok' : i === at ? 'now' : null));
  }

  paintValue(order) {
    const { words, house } = this.app;
    const alarm = order.alarm && house.alarms.get(order.alarm);
    show(this.value, Boolean(alarm?.point));
    show(this.guide, Boolean(alarm && words.pick(alarm.guidance)));
    if (!alarm) return;
    const last = house.read(alarm.point);
    const [text, unit] = last.known ? house.shown(alarm.point, last.value, alarm.unit_symbol) : ['?', ''];
    say(this.pointName, [words.pick(house.points?.get(alarm.point)?.name), last.at && words.t('ago', { span: words.span(words.now() - last.at) })].filter(Boolean).join(' · '));
    swap(this.figure, text, unit && h('span', { class: 'u', style: 'font-size:1rem' }, unit));
    this.value.classList.toggle('hatch', !last.known);
    this.trend.set(alarm);
    say(this.todo, words.pick(alarm.guidance));
    put(this.todo, 'style', 'white-space:pre-line');
  }

  paintAbout(order) {
    const { words } = this.app;
    const facts = [['state', words.t(`order-${order.state}`)], ['owner', (this.app.house.ownerName(order) || words.t('unassigned'))], order.skill && ['skill', words.has(`skill-${order.skill}`) ? words.t(`skill-${order.skill}`) : order.skill], ['opened-at', words.moment(order.opened_at)],
      order.respond_due && ['respond-by', words.moment(order.respond_due)], order.restore_due && ['restore-by', words.moment(order.restore_due)], ['number', order.id],
      order.reasons?.length && ['because', order.reasons.map((reason) => words.pick(reason)).join(words.t('comma'))]].filter(Boolean);
    const text = JSON.stringify(facts);
    if (this.facts.dataset.text !== text) swap(this.facts, facts.map(([key, value]) => [h('dt', {}, words.t(key)), h('dd', {}, value)]).flat());
    this.facts.dataset.text = text;
    const notes = JSON.stringify(order.notes);
    show(this.log, order.notes.length > 0);
    if (this.notes.dataset.text !== notes) swap(this.notes, order.notes.map((note) => h('div', {}, h('div', { class: 'dim' }, `${words.moment(note.at)} · ${this.app.house.personName(note.by)}`), words.pick(note.text))));
    this.notes.dataset.text = notes;
  }

  // Rebuilt only when what is allowed changes: a finger on a button keeps its button.
  paintActs(order) {
    const { words } = this.app;
    const main = mainDeed(order);
    const others = otherDeeds(order).slice(0, this.phone ? 2 : 5);
    const text = `${order.id} ${main} ${others}`;
    if (this.acts.dataset.text === text) return;
    this.acts.dataset.text = text;
    const button = (verb, css) => h('button', { class: `btn ${css}`, type: 'button', 'data-deed': verb, onclick: (event) => deed(this.app, this.app.house.orders.get(order.id), verb, event.currentTarget) }, words.t(`do-${verb}`));
    const size = this.phone ? 'xl' : '';
    const small = others.map((verb) => button(verb, size));
    const big = main && button(main, `pr ${size}`);
    swap(this.acts, this.phone ? [...small, big] : [big, ...small]);
    if (this.phone) put(this.acts, 'class', `bot n${small.length}`);
    show(this.acts, Boolean(main || others.length));
  }
}
