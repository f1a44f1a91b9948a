// The dispatcher's board: orders by state, who is on shift, one order in detail.
const LANES = { accept: ['new', 'triaged', 'assigned'], accepted: ['accepted', 'en_route'], working: ['on_site', 'in_progress', 'on_hold'], verify: ['done'] };

class Board {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.counts = h('span', { class: 'mid' });
    this.over = h('span', { class: 'chip p2' });
    this.lanes = Object.keys(LANES).map((key) => {
      const count = h('span', { class: 'cnt' });
      const cards = h('div', { class: 'cards' });
      const none = h('p', { class: 'hint' }, words.t('lane-empty'));
      const rows = new Rows(cards, (order) => this.make(order), (card, order) => this.patch(card, order));
      return { key, count, none, rows, node: h('section', { class: 'lane' }, h('div', { class: 'lh' }, words.t(`lane-${key}`), count, h('span', { class: 'm' }, words.t(`lane-${key}-what`))), none, cards) };
    });
    this.detail = new OrderDetail(app);
    this.aside = h('section', { class: 'panel side', hidden: true }, h('button', { class: 'btn', style: 'margin:.75rem 1rem 0;align-self:flex-start', type: 'button', onclick: () => this.select(null) }, words.t('back')), this.detail.body, this.detail.acts);
    this.shift = h('span', { class: 'meta' });
    this.people = h('div', { class: 'scroll' });
    this.crew = new Rows(this.people, () => h('div', { class: 'pp' }, h('span', { class: 'av' }), h('span', { class: 'semi cut' }), h('span', { class: 'ld' }, [0, 1, 2, 3].map(() => h('i'))), h('span', { class: 's cut' })), (row, person) => this.person(row, person));
    this.staff = h('section', { class: 'panel side people' }, h('div', { class: 'ph' }, h('h2', {}, words.t('on-shift')), this.shift), this.people);
    this.root = h('div', { class: 'board' }, h('div', { class: 'bhead' }, h('h1', {}, words.t('nav-orders')), this.counts, h('span', { class: 'grow' }), this.over), h('div', { class: 'lanes' }, this.lanes.map((lane) => lane.node), this.staff, this.aside));
  }

  enter({ order }) { this.select(order ?? null); }

  place() { return this.selected ? { order: this.selected } : {}; }

  points() { return this.detail.points(); }

  make(order) {
    const { words } = this.app;
    const card = h('article', { class: 'ocard', tabindex: 0, 'data-id': order.id, onclick: (event) => { if (!event.target.closest('button')) this.select(order.id); }, onkeydown: (event) => { if (event.key === 'Enter' && event.target === card) this.select(order.id); } },
      h('div', { class: 'a' }, newMark(), h('div', {}, h('div', { class: 't' }), h('div', { class: 'pl' }))), newLimit(),
      h('div', { class: 'b' }, h('span', { class: 'av' }), h('span', { class: 'cut grow' }), h('button', { class: 'btn sm', type: 'button', onclick: () => askPerson(this.app, this.app.house.orders.get(order.id)) }, words.t('do-assign'))));
    return card;
  }

  patch(card, order) {
    const { words, house } = this.app;
    const [head, bar, foot] = card.children;
    put(card, 'class', `ocard ${isOver(order, words) ? 'over' : ''} ${order.id === this.selected ? 'sel' : ''}`);
    mark(head.firstChild, order.priority, LANES.accept.includes(order.state) ? '' : order.state === 'done' ? 'rtn' : 'ack', words);
    say(head.lastChild.firstChild, words.pick(order.title));
    say(head.lastChild.lastChild, `${house.placeName(order.place)} · ${words.t(order.alarm ? 'from-alarm' : 'opened', { at: words.moment(order.opened_at) })}`);
    limit(bar, order, words);
    const [face, name, assign] = foot.children;
    put(face, 'class', order.person ? 'av' : 'av no');
    say(face, order.person ? initial(house.ownerName(order)) : '?');
    say(name, order.person ? `${house.ownerName(order)} · ${words.t(`order-${order.state}`)}` : words.t('unassigned'));
    show(assign, order.may.includes('assign') && LANES.accept.includes(order.state));
  }

  person(row, person) {
    const { words, house } = this.app;
    const open = house.openOrders().filter((order) => order.person === person.id);
    put(row, 'class', `pp ${person.on_shift ? '' : 'away'}`);
    say(row.children[0], initial(house.personName(person.id)));
    say(row.children[1], house.personName(person.id));
    [...row.children[2].children].forEach((dot, i) => put(dot, 'class', i < open.length ? 'f' : null));
    put(row.children[2], 'title', words.t('orders-n', { n: open.length }));
    say(row.children[3], [words.t(person.on_shift ? (open.length ? 'orders-n' : 'free') : 'off-shift', { n: open.length }), skills(words, person)].filter(Boolean).join(' · '));
  }

  paint() {
    const { words, house } = this.app;
    const open = house.openOrders();
    const over = open.filter((order) => isOver(order, words)).length;
    say(this.counts, words.t('order-counts', { open: open.length, over }));
    show(this.over, over > 0);
    say(this.over, words.t('over-n', { n: over }));
    for (const { key, count, none, rows } of this.lanes) {
      const these = open.filter((order) => LANES[key].includes(order.state));
      rows.set(these);
      say(count, these.length);
      show(none, !these.length);
    }
    const crew = house.people.filter((person) => person.roles.includes('technician')).sort((a, b) => Number(b.on_shift) - Number(a.on_shift) || a.name.localeCompare(b.name));
    this.crew.set(crew);
    say(this.shift, words.t('people-n', { n: crew.filter((person) => person.on_shift).length }));
    this.detail.paint();
  }

  select(id) {
    this.selected = id;
    show(this.aside, Boolean(id));
    show(this.staff, !id);
    this.detail.set(id);
    this.app.subscribe();
    this.app.soon();
  }

  key(event) { if (event.key === 'Escape') this.select(null); }
}
