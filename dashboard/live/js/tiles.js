// The status tiles: one figure each, grey until something is wrong.
class Tiles {
  constructor(app) {
    this.app = app;
    this.root = h('div', { class: 'tiles' });
    this.nodes = ['power', 'lifts', 'fire', 'alarms', 'orders', 'edges'].map((key) => {
      const node = h('button', { class: 'tile', type: 'button', onclick: () => this.open(key) }, h('div', { class: 'h' }, h('span', {}, app.words.t(`tile-${key}`)), newMark()), h('div', { class: 'v' }, h('span'), h('span', { class: 'u' })), h('div', { class: 'm cut' }));
      this.root.append(node);
      return [key, node];
    });
  }

  open(key) {
    const wanted = { orders: 'orders', alarms: 'alarms', power: 'energy' }[key] ?? 'equipment';
    this.app.go(this.app.data.nav.includes(wanted) ? wanted : 'alarms');
  }

  points() { return plantOf(this.app.house).mains.map((unit) => `${unit.id}/active_power`); }

  // state: mark kind, mark state, css class, figure, unit, meta
  set(node, { kind = 'n', state = '', css = '', figure, unit = '', meta }) {
    const [head, value, note] = node.children;
    put(node, 'class', `tile ${css} ${kind === 'u' ? 'hatch' : ''}`);
    mark(head.lastChild, kind, state, this.app.words);
    say(value.firstChild, figure);
    say(value.lastChild, unit);
    say(note, meta);
  }

  // The look of the worst open alarm of these units; nothing when all is well.
  trouble(units) {
    const alarm = worst(this.app.house, units);
    return alarm ? { kind: alarm.priority, state: lifeMark(alarm), css: isActive(alarm) ? `p${alarm.priority}` : '', meta: this.app.words.pick(alarm.title) } : null;
  }

  paint() { for (const [key, node] of this.nodes) this.set(node, this[key]()); }

  power() {
    const { words, house } = this.app;
    const plant = plantOf(house);
    const parts = plant.mains.map((unit) => house.read(`${unit.id}/active_power`));
    const known = parts.length > 0 && parts.every((part) => part.known);
    const oldest = Math.min(...parts.filter((part) => !part.known && part.at).map((part) => part.at));
    if (!known) return { kind: 'u', figure: '?', meta: words.t(Number.isFinite(oldest) ? 'no-data-for' : 'no-data', { age: words.span(words.now() - oldest) }) };
    const kw = parts.reduce((sum, part) => sum + part.value, 0) / 1000;
    return { figure: words.number(kw), unit: 'kW', meta: words.t('normal'), ...this.trouble(plant.meters.map((unit) => unit.id)) };
  }

  lifts() {
    const { words, house } = this.app;
    const { lifts } = plantOf(house);
    const states = lifts.map((lift) => liftState(house, lift));
    const unknown = states.filter((state) => !state.known).length;
    const running = states.filter((state) => state.known && !state.trapped && !state.fault && !state.off).length;
    const units = lifts.flatMap((lift) => [lift.unit.id, lift.board?.id]);
    const base = { figure: words.number(running), unit: `/ ${lifts.length}`, meta: words.t('normal') };
    if (this.trouble(units)) return { ...base, ...this.trouble(units) };
    if (unknown) return { ...base, kind: 'u', figure: unknown === lifts.length ? '?' : base.figure, meta: words.t('unknown-n', { n: unknown }) };
    return base;
  }

  fire() {
    const { words, house } = this.app;
    const { zones } = plantOf(house);
    const all = zones.map((each) => zoneState(house, each));
    const sum = (key) => all.reduce((total, state) => total + state[key], 0);
    const quiet = all.filter((state) => !state.fire && !state.fault && !state.unknown).length;
    const base = { figure: words.number(quiet), unit: `/ ${zones.length} ${words.t('zones')}`, meta: words.t('normal') };
    const found = this.trouble(zones.map(({ unit }) => unit.id));
    if (sum('fire') || found) return { ...base, ...found, ...(sum('fire') && !found ? { kind: 1, css: 'p1' } : {}), meta: sum('fire') ? words.t('fire-n', { n: sum('fire') }) : found.meta };
    if (sum('unknown')) return { ...base, kind: 'u', figure: quiet ? base.figure : '?', meta: words.t('unknown-n', { n: sum('unknown') }) };
    return { ...base, meta: sum('off') ? words.t('disabled-n', { n: sum('off') }) : words.t('normal') };
  }

  alarms() {
    const { words, house } = this.app;
    const all = house.openAlarms();
    const waiting = house.unacknowledged();
    const first = waiting.find(isActive) ?? all.find(isActive) ?? all[0];
    const look = first ? { kind: first.priority, state: lifeMark(first), css: first.life === 'unacknowledged' ? `p${first.priority}` : '' } : {};
    return { figure: words.number(all.length), meta: words.t(waiting.length ? 'to-acknowledge-n' : 'none-waiting', { n: waiting.length }), ...look };
  }

  orders() {
    const { words, house } = this.app;
    const open = house.openOrders();
    const over = open.filter((order) => isOver(order, words)).length;
    return { figure: words.number(open.length), meta: words.t(over ? 'over-n' : 'in-time', { n: over }), ...(over ? { kind: 2, state: 'ack', css: 'p2' } : {}) };
  }

  edges() {
    const { words, house } = this.app;
    const edges = Object.values(house.health?.edges ?? {});
    const online = edges.filter((edge) => edge.state === 'online').length;
    if (!edges.length) return { kind: 'u', figure: '?', meta: words.t('no-data') };
    return { figure: words.number(online), unit: `/ ${edges.length}`, meta: words.t(online < edges.length ? 'edge-away' : 'normal'), ...(online < edges.length ? { kind: 'u' } : {}) };
  }
}
