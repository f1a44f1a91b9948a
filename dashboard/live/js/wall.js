// The wall: the state of the house at a glance. It only shows; every panel leads to its screen.
class Wall {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.tiles = new Tiles(app);
    this.section = new Section(app);
    this.zones = new Zones(app);
    this.power = new Power(app);
    this.today = new Today(app);
    this.priorities = [1, 2, 3, 4].map((priority) => ({ priority, mark: newMark(), count: h('span') }));
    this.counts = h('span', { class: 'meta' });
    this.list = h('div', { class: 'als' });
    this.rows = new Rows(this.list, (alarm) => this.make(alarm), (row, alarm) => this.patch(row, alarm));
    this.chip = new NewCritical(app, this.list, this.rows);
    this.none = h('p', { class: 'hint', hidden: true }, words.t('no-alarms'));
    this.orderCounts = h('span', { class: 'meta' });
    this.orderList = h('div');
    this.orders = new Rows(this.orderList, (order) => this.makeOrder(order), (row, order) => this.patchOrder(row, order));
    this.noOrders = h('p', { class: 'hint', hidden: true }, words.t('no-orders'));
    this.onShift = h('b', { style: 'color:var(--ink)' });
    this.root = h('div', { class: 'wall' },
      h('section', { class: 'panel' }, h('div', { class: 'ph' }, h('h2', {}, words.t('section')), h('span', { class: 'meta end' }, words.t('section-what'))), this.section.root, this.zones.root),
      h('div', { class: 'col second' }, this.tiles.root, this.power.root, this.today.root),
      h('div', { class: 'col third' },
        h('section', { class: 'panel grow list' }, h('div', { class: 'ph' }, h('h2', {}, words.t('nav-alarms')), this.counts, h('span', { class: 'prc' }, this.priorities.map((each) => h('span', {}, each.mark, each.count)))), this.none, this.list, this.chip.node),
        h('section', { class: 'panel', style: 'flex:none' }, h('div', { class: 'ph' }, h('h2', {}, words.t('nav-orders')), this.orderCounts, h('span', { class: 'meta end' }, words.t('on-shift'), ' ', this.onShift)), this.noOrders, this.orderList)));
  }

  points() { return [...this.tiles.points(), ...this.section.points(), ...this.zones.points(), ...this.power.points()].filter((point, i, all) => all.indexOf(point) === i); }

  enter() { this.today.load(); }

  make(alarm) {
    const { words } = this.app;
    const row = h('div', { class: 'al', 'data-id': alarm.id, tabindex: -1 }, h('span', { class: 'bar' }), newMark(),
      h('div', { class: 'grow' }, h('div', { class: 'ttl cut' }), h('div', { class: 'sub cut' })),
      h('div', { class: 'do' }, h('button', { class: 'btn sm', type: 'button', 'aria-label': words.t('acknowledge') }, words.t('ack-short')), h('div', { class: 'when' }, h('b'), h('span'))));
    row.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (button) acknowledgeOne(this.app, alarm.id, button);
      else this.app.go('alarms', { alarm: alarm.id });
    });
    return row;
  }

  patch(row, alarm) {
    const { words } = this.app;
    const [, picture, text, end] = row.children;
    put(row, 'class', `al ${alarmClass(alarm)}`);
    mark(picture, alarm.priority, lifeMark(alarm), words);
    say(text.firstChild, words.pick(alarm.title));
    put(text.firstChild, 'title', words.pick(alarm.title));
    say(text.lastChild, alarmLine(this.app, alarm));
    show(end.firstChild, mayAcknowledge(alarm));
    say(end.lastChild.firstChild, words.span(words.now() - alarm.raised_at));
    say(end.lastChild.lastChild, words.moment(alarm.raised_at));
  }

  makeOrder(order) {
    return h('button', { class: 'wo', type: 'button', onclick: () => this.app.go('orders', { order: order.id }) }, newMark(), h('span', { class: 'cut' }), h('span', { class: 'who cut' }), newLimit());
  }

  patchOrder(row, order) {
    const { words } = this.app;
    mark(row.children[0], order.priority, 'ack', words);
    say(row.children[1], words.pick(order.title));
    say(row.children[2], (this.app.house.ownerName(order) || words.t('unassigned')));
    row.classList.toggle('un', !order.person);
    limit(row.children[3], order, words);
  }

  paint() {
    const { words, house } = this.app;
    const alarms = house.openAlarms().filter((alarm) => !isHeld(alarm) && !isExplained(alarm, house.alarms));
    for (const { priority, mark: picture, count } of this.priorities) {
      const these = alarms.filter((alarm) => alarm.priority === priority);
      mark(picture, priority, these.some((alarm) => alarm.life === 'unacknowledged') ? '' : these.length && !these.some(isActive) ? 'rtn' : 'ack', words);
      say(count, these.length);
    }
    say(this.counts, words.t('counts', { new: house.unacknowledged().length, open: alarms.length }));
    this.rows.set(alarms);
    show(this.none, house.loaded && !alarms.length);
    this.chip.paint();
    const orders = house.openOrders();
    this.orders.set(orders.slice(0, 5));
    show(this.noOrders, house.loaded && !orders.length);
    say(this.orderCounts, words.t('order-counts', { open: orders.length, over: orders.filter((order) => isOver(order, words)).length }));
    say(this.onShift, house.people.filter((person) => person.on_shift).length);
    if (!house.site) return;
    for (const part of [this.tiles, this.section, this.zones, this.power, this.today]) part.paint();
  }
}
