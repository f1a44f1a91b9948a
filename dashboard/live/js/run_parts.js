// Beside the steps: the timeline, the people called, what the equipment says now, and the plans to start.
class RunLog {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.list = h('ul', { class: 'tl' });
    this.rows = new Rows(this.list, () => h('li', {}, h('time'), h('span', { class: 'dot' }), h('div', {}, h('div'), h('div', { class: 'meta' }))), (row, entry) => this.patch(row, entry), (entry) => entry.seq);
    this.input = h('input', { class: 'in', placeholder: words.t('add-note'), 'aria-label': words.t('add-note'), maxlength: 500 });
    this.form = h('form', { class: 'enote' }, this.input, h('button', { class: 'btn', style: 'height:2.5rem' }, words.t('save')));
    this.form.onsubmit = async (event) => {
      event.preventDefault();
      const text = this.input.value.trim();
      if (text && await app.do(`runs/${this.run.id}/note`, { note: text, reason: '' })) this.input.value = '';
    };
    this.root = h('section', { class: 'panel grow' }, h('div', { class: 'ph' }, h('h2', {}, words.t('timeline')), h('span', { class: 'meta end' }, words.t('newest-first'))), this.list, this.form);
  }

  patch(row, entry) {
    const { words, house } = this.app;
    put(row, 'class', entry.kind);
    say(row.children[0], words.clock(entry.at));
    const [text, by] = row.children[2].children;
    put(text, 'class', entry.pinned ? 'pin' : null);
    say(text, words.pick(entry.text));
    say(by, entry.kind === 'system' || entry.kind === 'signal' ? words.t(`log-${entry.kind}`) : house.personName(entry.actor));
  }

  paint(run) {
    this.run = run;
    this.rows.set([...run.log].reverse());
    show(this.form, run.may.includes('note'));
  }
}

class RunRoles {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.count = h('span', { class: 'meta end' });
    this.list = h('div', { style: 'overflow:hidden auto;min-height:0' });
    this.rows = new Rows(this.list, (role) => this.make(role), (row, role) => this.patch(row, role), (role) => role.key);
    this.root = h('section', { class: 'panel', style: 'flex:0 1 auto' }, h('div', { class: 'ph' }, h('h2', {}, words.t('roles')), this.count), this.list);
  }

  make(role) {
    const take = h('button', { class: 'btn sm', type: 'button', onclick: (event) => this.app.do(`runs/${this.run.id}/roles/${role.key}/acknowledge`, {}, event.currentTarget) }, this.app.words.t('role-here'));
    return h('div', { class: 'ct', 'data-role': role.key }, h('span', { class: 'cut' }, h('span', { class: 'r' }), h('br'), h('span', { class: 'p' }), h('span', { class: 'r' })), h('span', {}, h('span', { class: 'chip done' }), take));
  }

  // Whether a role is for this person the server decides; who was called has the filled button.
  patch(row, role) {
    const { words, house, data } = this.app;
    const [name, , person, called] = row.children[0].children;
    const [chip, take] = row.children[1].children;
    const here = Boolean(role.acknowledged_at);
    say(name, words.pick(role.name));
    say(person, (role.person && house.personName(role.person)) || role.person_name || words.t('nobody-yet'));
    say(called, here || !role.called_at ? '' : ` · ${words.t('role-called', { span: words.span(words.now() - role.called_at) })}`);
    show(chip, here);
    if (here) say(chip, words.t('role-answered', { at: words.minute(role.acknowledged_at) }));
    show(take, !here && OPEN_RUN(this.run));
    take.classList.toggle('pr', role.person === data.me.id);
  }

  paint(run) {
    this.run = run;
    this.rows.set(run.roles);
    say(this.count, this.app.words.t('roles-answered', { n: run.roles.filter((role) => role.acknowledged_at).length, all: run.roles.length }));
  }
}

// Whom to call from outside, one tap on a phone.
const SHORT = 5; // digits of a number that fits two to a row
class RunCalls {
  constructor(app) {
    this.app = app;
    this.list = h('div', { class: 'calls' });
    this.root = h('section', { class: 'panel', style: 'flex:none' }, h('div', { class: 'ph' }, h('h2', {}, app.words.t('call'))), this.list);
  }

  paint(run) {
    const { words } = this.app;
    const contacts = (run.contacts ?? []).toSorted((a, b) => Number(a.phone.length > SHORT) - Number(b.phone.length > SHORT));
    show(this.root, contacts.length > 0);
    const text = JSON.stringify([contacts, words.lang]);
    if (this.list.dataset.text !== text) swap(this.list, contacts.map(({ name, phone }) => h('div', { class: phone.length > SHORT ? 'ct wide' : 'ct' }, h('span', { class: 'p cut' }, words.pick(name)), h('a', { class: 'btn sm', 'aria-label': `${words.t('dial')} ${words.pick(name)}`, href: `tel:${phone.replace(/[^+\d]/g, '')}`, style: 'text-decoration:none' }, phone))));
    this.list.dataset.text = text;
  }
}

// What the equipment of the run says now: the points of its alarms' units that matter.
const RUN_POINTS = ['floor', 'mode', 'fault_code', 'load', 'trapped_between_floors', 'trapped_at_floor', 'door_open', 'person', 'panel_state'];
class RunLive {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.title = h('h2');
    this.list = h('dl', { class: 'kv', style: 'padding:0 1rem .75rem;grid-template-columns:minmax(0,1fr) auto' });
    this.root = h('section', { class: 'panel', style: 'flex:none' }, h('div', { class: 'ph' }, this.title, h('span', { class: 'meta end' }, words.t('live'))), this.list);
  }

  units(run) {
    const { house } = this.app;
    if (!run || !house.site) return [];
    const first = run.alarms.map((id) => house.alarms.get(id)?.unit).filter(Boolean);
    const named = house.units.has(run.place) ? [run.place] : [];
    const base = [...new Set([...first, ...named])].map((id) => house.units.get(id)?.part_of || id);
    return [...new Set(base.flatMap((id) => [id, ...house.site.units.filter((unit) => unit.part_of === id).map((unit) => unit.id)]))];
  }

  points(run) { return this.units(run).flatMap((unit) => RUN_POINTS.map((point) => `${unit}/${point}`)).filter((point) => this.app.house.points.has(point)); }

  paint(run) {
    const { words, house } = this.app;
    const points = house.site ? this.points(run) : [];
    show(this.root, points.length > 0);
    say(this.title, words.t('live-of', { unit: house.unitName(this.units(run)[0]) }));
    const rows = points.map((id) => {
      const last = house.read(id);
      const [text, unit] = last.known ? house.shown(id, last.value) : ['?', ''];
      const bad = house.points.get(id).words?.find((word) => word.value === last.value)?.normal === false;
      return [words.pick(house.points.get(id).name), last.known ? `${id.endsWith('/floor') ? floorName(last.value) : text} ${unit}`.trim() : last.at ? `? ${words.span(words.now() - last.at)}` : '?', bad && last.known];
    });
    const text = JSON.stringify(rows);
    if (this.list.dataset.text !== text) swap(this.list, rows.flatMap(([name, value, bad]) => [h('dt', { class: 'cut' }, name), h('dd', { style: `text-align:right;font-weight:500${bad ? ';color:var(--p1-text)' : ''}` }, value)]));
    this.list.dataset.text = text;
  }
}

// Starting by hand: one tap on the plan opens it, one on "Start" starts it.
class Starts {
  constructor(app) {
    this.app = app;
    this.plans = null;
    this.grid = h('div', { class: 'starts' });
    this.root = h('div', { style: 'display:flex;flex-direction:column;flex:1;min-height:0' }, this.grid);
  }

  async load() {
    const { status, body } = await ask('plans');
    if (status === 200) this.plans = body;
    this.app.soon();
  }

  paint() {
    const { words, house, data } = this.app;
    const text = JSON.stringify([this.plans, words.lang, Boolean(house.site)]);
    if (this.grid.dataset.text === text) return;
    this.grid.dataset.text = text;
    const may = data.me.roles.some((role) => ['operator', 'manager', 'technician', 'admin'].includes(role));
    swap(this.grid, h('p', { class: 'hint', style: 'grid-column:1/-1;padding:.25rem 0' }, words.t('no-run')), ...(this.plans ?? []).map((plan) => h('section', { class: 'plan', 'data-plan': plan.key }, h('div', {}, h('h2', {}, words.pick(plan.title)), h('div', { class: 'dim' }, words.t('plan-version', { version: plan.version })), plan.risk && h('p', { class: 'mid', style: 'margin-top:.375rem' }, words.pick(plan.risk))), may && h('button', { class: 'btn lg', style: 'align-self:end', type: 'button', onclick: () => this.ask(plan) }, words.t('start-this')))));
  }

  ask(plan) {
    const { words, house } = this.app;
    const drill = choices([['actual', words.t('is-real')], ['exercise', words.t('is-drill')]]);
    const places = [...(house.site?.units ?? []).filter((unit) => house.points.has(`${unit.id}/floor`)).map((unit) => [unit.id, words.pick(unit.name)]), ...(house.site?.units ?? []).flatMap((unit) => (unit.zones ?? []).map((zone) => [zone.id, words.pick(zone.name)])), ...(house.site?.places ?? []).map((place) => [place.id, words.pick(place.name)])];
    const where = h('select', { required: true }, places.map(([id, name]) => h('option', { value: id }, name)));
    drill.node.firstChild.click();
    const window = dialog(this.app, words.t('start-ask', { plan: plan.title }), [field(words.t('where'), where), drill.node], words.t('start-now'), async () => {
      const run = await this.app.do(`plans/${plan.key}/start`, { place: where.value, mode: drill.value });
      if (run?.id) { this.app.house.run(run); this.app.views.get('emergency').pick(run.id); }
      return Boolean(run);
    });
    put(window.ok, 'class', 'btn dg');
  }
}
