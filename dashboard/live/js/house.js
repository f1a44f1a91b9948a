// All the page knows: the site, and what the stream said last. Views read it, nobody else writes it.
const OPEN_ORDER = (order) => !['verified', 'closed', 'cancelled', 'duplicate'].includes(order.state);
const OPEN_RUN = (run) => !['closed', 'aborted'].includes(run.state);
const BAD_QUALITY = 128;
const FROM_KW = 10_000; // W; below it power is read in W

class House {
  constructor(words) {
    Object.assign(this, { words, alarms: new Map(), flags: new Map(), sorted: null, orders: new Map(), runs: new Map(), values: new Map(), people: [], site: null, health: null, loaded: false, deaf: false });
  }

  learn(site) {
    this.site = site;
    this.words.zone = site.time_zone;
    this.units = new Map(site.units.map((unit) => [unit.id, unit]));
    this.points = new Map(site.points.map((point) => [point.id, point]));
    this.zones = new Map(site.units.flatMap((unit) => unit.zones ?? []).map((zone) => [zone.id, zone]));
    this.places = new Map(site.places.map((place) => [place.id, place]));
  }

  snapshot({ alarms, orders, runs, flags }) {
    const byId = (list) => new Map(list.map((item) => [item.id, item]));
    Object.assign(this, { alarms: byId(alarms.filter((alarm) => alarm.life !== 'normal')), orders: byId(orders), runs: byId(runs), flags: byId(flags ?? []), sorted: null, loaded: true });
  }

  // Returns whether this alarm is new to us.
  alarm(alarm) {
    const fresh = !this.alarms.has(alarm.id) && alarm.life === 'unacknowledged';
    if (alarm.life === 'normal') this.alarms.delete(alarm.id);
    else this.alarms.set(alarm.id, alarm);
    this.sorted = null;
    return fresh && isLoud(alarm, this.alarms);
  }

  // A flag that has ended is gone.
  flag(flag) {
    if (flag.ended_at) this.flags.delete(flag.id);
    else this.flags.set(flag.id, flag);
  }

  order(order) { this.orders.set(order.id, order); }

  run(run) { this.runs.set(run.id, run); }

  value(point, [at, value, quality]) { this.values.set(point, { at, value, quality, stale: false }); }

  latest(rows) { for (const { point, at, value, quality, stale } of rows) if (at !== null && (this.values.get(point)?.at ?? 0) <= at) this.values.set(point, { at, value, quality, stale }); }

  // {value, at, known, quality}; unknown is never 0 and never the last good value. The server says what is
  // stale; when it cannot be heard itself, nothing is known.
  read(point) {
    const last = this.values.get(point);
    if (!last) return { known: false, value: null, at: null, quality: null };
    const known = !this.deaf && !last.stale && last.value !== null && last.quality < BAD_QUALITY;
    return { known, value: last.value, at: last.at, quality: last.quality };
  }

  // Sorted once for each change, not for each who asks: in a storm there are thousands.
  openAlarms() { return (this.sorted ??= [...this.alarms.values()].sort(inOrder)); }

  unacknowledged(priority) { return this.openAlarms().filter((alarm) => isLoud(alarm, this.alarms) && (!priority || alarm.priority === priority)); }

  openOrders() { return [...this.orders.values()].filter(OPEN_ORDER).sort((a, b) => a.priority - b.priority || (dueOf(a) ?? Infinity) - (dueOf(b) ?? Infinity) || a.opened_at - b.opened_at); }

  openRuns() { return [...this.runs.values()].filter(OPEN_RUN).sort((a, b) => Number(a.mode === 'exercise') - Number(b.mode === 'exercise') || b.started_at - a.started_at); }

  unitName(id) { return this.words.pick(this.units?.get(id)?.name) || id || ''; }

  // "tower-a/B1" is a floor of a place; plain "tower-a" the place itself.
  placeName(path) {
    const [id, floor] = String(path ?? '').split('/');
    const named = this.units?.get(id) ?? this.zones?.get(id);
    if (named && !floor && !this.places?.has(id)) return this.words.pick(named.name);
    const place = this.words.pick(this.places?.get(id)?.name) || id;
    return floor ? `${place} ${this.words.t('floor-of', { floor })}` : place;
  }

  // A run's title, with its place unless the title says it already.
  runName(run) {
    const [title, place] = [this.words.pick(run.title), this.placeName(run.place)];
    return title.includes(place) ? title : `${title} · ${place}`;
  }

  // By id, or by the one name that a record keeps: in the reader's script where we know it.
  personName(id) {
    const person = this.people.find((each) => each.id === id || each.name === id);
    return person ? this.words.pick(person.names ?? person.name) : (this.words.has(`by-${id}`) ? this.words.t(`by-${id}`) : id ?? '');
  }

  // Who has the order, in the reader's script where we know it.
  ownerName(order) { return order.person ? this.people.some((person) => person.id === order.person) ? this.personName(order.person) : order.person_name : ''; }

  // The word of a value, when its point has one for it.
  worded(pointId, value) { return this.points?.get(pointId)?.words?.find((each) => each.value === value); }

  // A value as it is read: its word when it has words, kW from 10 kW on, else number and unit.
  shown(pointId, value, symbol) {
    if (value === null || value === undefined) return ['?', ''];
    const point = this.points?.get(pointId);
    const word = this.worded(pointId, value);
    if (word) return [this.words.pick(word.name), ''];
    const unit = symbol ?? point?.unit_symbol ?? '';
    if (unit === 'W') return Math.abs(value) < FROM_KW ? [this.words.number(value), 'W'] : [this.words.number(value / 1000, Math.abs(value) < 100_000 && value % 1000 ? 1 : 0), 'kW'];
    return [this.words.number(value, point?.decimals ?? (Number.isInteger(value) ? 0 : 2)), unit];
  }
}
