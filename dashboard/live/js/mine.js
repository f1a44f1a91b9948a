// My orders, for a phone in one hand: what I do now, what is next, a new order as a sheet at the thumb.
class Mine {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.who = h('div', { class: 'm' });
    this.sync = h('span', { class: 'conn' }, h('i'), h('span'));
    this.nowTitle = h('div', { class: 'sec' }, h('span'));
    this.nowCards = h('div', { style: 'display:grid;gap:.75rem' });
    this.now = new Rows(this.nowCards, (order) => h('button', { class: 'card', type: 'button', style: 'text-align:left', 'data-id': order.id, onclick: () => this.select(order.id) }, h('div', { class: 'oc' }, newMark(), h('div', { class: 'grow' }, h('div', { class: 't' }), h('div', { class: 's' }))), newLimit()), (card, order) => this.patchCard(card, order));
    this.todoTitle = h('div', { class: 'sec' }, h('span'), h('span', {}, words.t('by-limit')));
    this.todoList = h('div', { class: 'card' });
    this.todo = new Rows(this.todoList, (order) => h('button', { class: 'li', type: 'button', 'data-id': order.id, onclick: () => this.select(order.id) }, newMark(), h('div', { class: 'grow' }, h('div', { class: 't cut' }), h('div', { class: 's cut' })), h('div', { class: 'r' })), (row, order) => this.patchRow(row, order));
    this.none = h('p', { class: 'hint' }, words.t('no-orders-mine'));
    this.sheetBox = h('div', { class: 'sheet', hidden: true });
    this.list = h('div', { class: 'phone' }, h('header', { class: 'hd' }, h('div', { class: 'grow' }, h('h1', {}, words.t('nav-mine')), this.who), this.sync),
      h('div', { class: 'bdy' }, this.nowTitle, this.nowCards, this.todoTitle, this.todoList, this.none), this.sheetBox);
    this.detail = new OrderDetail(app, { phone: true });
    this.number = h('div', { class: 'semi cut' });
    this.state = h('div', { class: 'm' });
    this.page = h('div', { class: 'phone', hidden: true }, h('header', { class: 'hd with-back' }, h('button', { class: 'sq', type: 'button', 'aria-label': words.t('back'), onclick: () => this.select(null) }, icon('back')), h('div', { class: 'grow' }, this.number, this.state)), this.detail.body, this.detail.acts);
    this.root = h('div', { class: 'board' }, this.list, this.page);
  }

  enter({ order }) { this.select(order ?? null); }

  place() { return this.selected ? { order: this.selected } : {}; }

  points() { return this.detail.points(); }

  mine() {
    const me = this.app.data.me.id;
    return this.app.house.openOrders().filter((order) => order.person === me && order.state !== 'done').sort((a, b) => (dueOf(a) ?? Infinity) - (dueOf(b) ?? Infinity));
  }

  paint() {
    const { words, house, data } = this.app;
    const mine = this.mine();
    const now = mine.filter((order) => ['en_route', 'on_site', 'in_progress'].includes(order.state));
    const fresh = mine.filter((order) => order.state === 'assigned').sort((a, b) => a.priority - b.priority)[0];
    const todo = mine.filter((order) => !now.includes(order) && order !== fresh);
    this.now.set(now);
    this.todo.set(todo);
    show(this.nowTitle, now.length > 0);
    show(this.todoTitle, todo.length > 0);
    show(this.todoList, todo.length > 0);
    say(this.nowTitle.firstChild, words.t('in-progress-n', { n: now.length }));
    say(this.todoTitle.firstChild, words.t('to-do-n', { n: todo.length }));
    show(this.none, house.loaded && !mine.length);
    const shift = house.people.find((person) => person.id === data.me.id)?.on_shift;
    say(this.who, [house.personName(data.me.id) || data.me.name, words.t(shift ? 'on-shift' : 'off-shift')].join(' · '));
    const lost = this.app.silent >= SILENT_MS;
    put(this.sync, 'class', `conn ${lost ? 'bad' : ''}`);
    say(this.sync.lastChild, words.t(lost ? 'not-live' : house.loaded ? 'synced' : 'connecting'));
    this.sheet(fresh);
    const order = this.detail.order;
    say(this.number, order ? words.pick(order.title) : '');
    say(this.state, order ? `${words.t(`order-${order.state}`)} · ${words.t(order.alarm ? 'from-alarm' : 'opened', { at: words.moment(order.opened_at) })}` : '');
    this.detail.paint();
  }

  patchCard(card, order) {
    const { words, house } = this.app;
    const [head, bar] = card.children;
    mark(head.firstChild, order.priority, 'ack', words);
    say(head.lastChild.firstChild, words.pick(order.title));
    say(head.lastChild.lastChild, `${house.placeName(order.place)} · ${words.t(`order-${order.state}`)} ${words.minute(order.moved_at)}`);
    limit(bar, order, words);
  }

  patchRow(row, order) {
    const { words, house } = this.app;
    const due = dueOf(order);
    mark(row.children[0], order.priority, order.state === 'assigned' ? '' : 'ack', words);
    say(row.children[1].firstChild, words.pick(order.title));
    say(row.children[1].lastChild, `${house.placeName(order.place)} · ${words.t(`order-${order.state}`)}`);
    const left = due === null ? null : due - words.now();
    say(row.children[2], order.state === 'on_hold' ? words.t('order-on_hold') : left === null ? '' : words.t(left < 0 ? 'over' : 'left', { span: words.span(Math.abs(left)) }));
    put(row.children[2], 'class', `r ${isOver(order, words) ? 'over' : ''}`);
  }

  // The new order at the thumb; built once for each order, then only its time runs.
  sheet(order) {
    const { words, house } = this.app;
    show(this.sheetBox, Boolean(order));
    if (!order) { this.sheetBox.dataset.id = ''; return; }
    const built = `${order.id} ${order.may} ${Boolean(house.site)}`; // with names once the site is known
    if (this.sheetBox.dataset.id !== built) {
      this.sheetBox.dataset.id = built;
      this.left = h('b');
      const button = (verb, css) => order.may.includes(verb) && h('button', { class: `btn ${css} xl`, type: 'button', 'data-deed': verb, onclick: (event) => this.answer(order.id, verb, event.currentTarget) }, words.t(`do-${verb}`));
      swap(this.sheetBox, h('div', { class: `card new p${order.priority}` }, h('div', { class: 'ring' }, h('span', {}, words.t('new-order')), this.left),
        h('button', { class: 'oc', type: 'button', onclick: () => this.select(order.id) }, marked(order.priority, '', words), h('div', { class: 'grow' }, h('div', { class: 't' }, words.pick(order.title)), h('div', { class: 's' }, [house.placeName(order.place), house.unitName(order.unit)].filter(Boolean).join(' · ')))),
        h('div', { class: 'two' }, button('accept', 'pr'), button('decline', ''))));
    }
    const due = order.respond_due;
    say(this.left, due ? (due < words.now() ? words.t('over', { span: words.span(words.now() - due) }) : words.span(due - words.now())) : '');
  }

  // Once accepted, the order opens: what comes next is its main button.
  async answer(id, verb, button) {
    const done = await deed(this.app, this.app.house.orders.get(id), verb, button);
    if (!done || verb !== 'accept') return;
    if (done.id) this.app.house.order(done);
    this.select(id);
  }

  select(id) {
    this.selected = id;
    this.detail.set(id);
    show(this.list, !id);
    show(this.page, Boolean(id));
    this.app.subscribe();
    this.app.soon();
  }

  key(event) { if (event.key === 'Escape') this.select(null); }
}
