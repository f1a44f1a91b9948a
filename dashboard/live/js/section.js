// The building section: each building in outline, its lifts at the floor where they are.
const SECTION = { width: 408, height: 690, top: 26, left: 46, shaft: 22, gap: 12, side: 14 };

class Section {
  constructor(app) {
    this.app = app;
    this.root = g('svg', { class: 'draw', viewBox: `0 0 ${SECTION.width} ${SECTION.height}`, preserveAspectRatio: 'xMidYMin meet', role: 'img', 'aria-label': app.words.t('section') });
    this.cars = [];
  }

  points() {
    return plantOf(this.app.house).lifts.flatMap(({ unit, board }) => [...['floor', 'direction', 'mode', 'fault_code'].map((point) => `${unit.id}/${point}`), ...(board ? TRAPPED.map((point) => `${board.id}/${point}`) : [])]);
  }

  build() {
    const { house, words } = this.app;
    const { site, lifts } = plantOf(house);
    const buildings = site.places.filter((place) => place.floors).map((place) => ({ place, range: range(place.floors), lifts: lifts.filter(({ unit }) => unit.place.split('/')[0] === place.id) }));
    const low = Math.min(...buildings.map((each) => each.range[0]));
    const high = Math.max(...buildings.map((each) => each.range[1]));
    this.floors = [];
    for (let n = high; n >= low; n -= 1) if (n !== 0) this.floors.push(n);
    this.step = (SECTION.height - SECTION.top - 26) / this.floors.length;
    const parts = this.floors.map((n) => [g('line', { class: 'fl', x1: 40, x2: SECTION.width - 10, y1: this.y(n), y2: this.y(n) }), g('text', { class: 'k', x: 34, y: this.y(n) + this.step / 2 + 4, 'text-anchor': 'end' }, floorName(n))]);
    const room = SECTION.width - SECTION.left - 10;
    const need = buildings.map((each) => Math.max(1.6, each.lifts.length));
    const unit = (room - SECTION.side * (buildings.length - 1)) / need.reduce((a, b) => a + b, 0);
    let x = SECTION.left;
    this.cars = [];
    buildings.forEach((building, i) => {
      const width = unit * need[i];
      parts.push(this.building(building, x, width));
      x += width + SECTION.side;
    });
    const ground = this.y(-1);
    parts.push(g('line', { x1: 10, x2: SECTION.width, y1: ground, y2: ground, stroke: 'var(--ink-3)', 'stroke-width': 1.6 }));
    this.call = g('g', { class: 'call' });
    swap(this.root, ...parts.flat(), ...this.cars.map((car) => car.node), this.call, this.legend(words));
    this.built = house.site;
  }

  y(n) { return SECTION.top + Math.max(0, this.floors.indexOf(n)) * this.step; }

  building({ place, range: [low, high], lifts }, x, width) {
    const top = this.y(high);
    const bottom = this.y(low) + this.step;
    const parts = [g('rect', { class: 'body', x, width, y: top, height: bottom - top }), g('text', { class: 'b', x: x + width / 2, y: top - 7, 'text-anchor': 'middle' }, this.app.words.pick(place.name))];
    lifts.forEach((lift, i) => {
      const centre = x + (width / (lifts.length + 1)) * (i + 1) ;
      parts.push(g('rect', { class: 'shaft', x: centre - SECTION.shaft / 2, width: SECTION.shaft, y: top, height: bottom - top }));
      this.cars.push({ ...this.car(lift, centre, top, bottom), range: [low, high] });
    });
    return parts;
  }

  car(lift, x, top, bottom) {
    const height = this.step - 1;
    const body = g('rect', { x: x - 9.5, width: 19, y: 0, height, rx: 1.5 });
    const text = g('text', { x, y: height / 2 + 4 });
    const up = g('path', { class: 'dir', d: `M${x - 4.5} -3l4.500 -5.500 4.500 5.500z` });
    const down = g('path', { class: 'dir', d: `M${x - 4.5} ${height + 3}l4.500 5.500 4.500 -5.500z` });
    const frame = g('rect', { class: 'frame', x: x - 14, width: 28, y: -this.step / 2, height: this.step * 2, rx: 2 });
    const moving = g('g', { class: 'car' }, frame, body, text, up, down);
    const unknown = g('rect', { class: 'unk', x: x - SECTION.shaft / 2, width: SECTION.shaft, y: top, height: bottom - top });
    const paper = g('rect', { class: 'paper', x: x - 9, width: 18, y: (top + bottom) / 2 - 11, height: 20 });
    const mark = g('text', { class: 'b', x, y: (top + bottom) / 2 + 4, 'text-anchor': 'middle' }, '?');
    const veil = g('g', {}, unknown, paper, mark);
    return { lift, x, node: g('g', { role: 'img' }, moving, veil), moving, veil, text, up, down, frame };
  }

  paint() {
    if (this.built !== this.app.house.site) this.build();
    const { house } = this.app;
    const trapped = this.cars.map((car) => [car, liftState(house, car.lift)]).filter(([car, state]) => this.place(car, state) && state.trapped);
    this.shout(trapped[0]);
  }

  place(car, state) {
    const { words, house } = this.app;
    const at = Math.round(state.floor ?? 1) || -1;
    const known = state.known && at >= car.range[0] && at <= car.range[1];
    put(car.veil, 'visibility', known ? 'hidden' : null);
    put(car.moving, 'visibility', known ? null : 'hidden');
    put(car.node, 'aria-label', `${words.pick(car.lift.unit.name)}: ${known ? words.t('floor-of', { floor: floorName(at) }) : words.t('priority-u')}`);
    if (!known) return state.trapped;
    const alarm = worst(house, [car.lift.unit.id, car.lift.board?.id]);
    put(car.moving, 'class', `car ${state.trapped ? 'bad' : state.off ? 'off' : state.fault || (alarm?.priority <= 2 && isActive(alarm)) ? 'warn' : ''}`);
    put(car.moving, 'transform', `translate(0 ${this.y(at).toFixed(1)})`);
    say(car.text, state.trapped ? '!' : floorName(at));
    put(car.up, 'visibility', state.moving > 0 ? null : 'hidden');
    put(car.down, 'visibility', state.moving < 0 ? null : 'hidden');
    put(car.frame, 'visibility', state.trapped ? null : 'hidden');
    return true;
  }

  // The call-out of a lift with people in it.
  shout(found) {
    if (!found) { swap(this.call); return; }
    const [car, state] = found;
    const { words, house } = this.app;
    const alarm = worst(house, [car.lift.unit.id, car.lift.board?.id]);
    const at = Math.round(state.floor ?? 1) || -1;
    const y = Math.max(2, Math.min(SECTION.height - 60, this.y(at) + (at > 8 ? this.step * 4 : -this.step * 5)));
    const title = words.t('trapped', { lift: words.pick(car.lift.unit.name) });
    const width = Math.max(110, 20 + [...title].reduce((sum, sign) => sum + (sign.charCodeAt(0) > 255 ? 12.5 : 7), 0));
    const x = Math.min(SECTION.width - width - 4, Math.max(SECTION.left, car.x - width / 2));
    const lines = [words.t('trapped-at', { floor: floorName(at) }), alarm ? words.span(words.now() - alarm.raised_at) : ''].filter(Boolean).join(' · ');
    swap(this.call, g('line', { x1: car.x, x2: car.x, y1: y + 20, y2: this.y(at) + this.step / 2 }), g('rect', { x, y, width, height: 40, rx: 2 }),
      g('text', { class: 'c1', x: x + width / 2, y: y + 17 }, title), g('text', { class: 'c2', x: x + width / 2, y: y + 33 }, lines));
  }

  legend(words) {
    const y = SECTION.height - 8;
    return g('g', {}, g('rect', { x: 16, y: y - 10, width: 14, height: 12, rx: 1, fill: 'var(--equip)', stroke: 'var(--ink-2)', 'stroke-width': 0.9 }), g('text', { class: 'k', x: 36, y }, words.t('legend-car')),
      g('path', { d: `M104 ${y}l4.5 -6 4.5 6z`, fill: 'var(--ink-2)' }), g('text', { class: 'k', x: 119, y }, words.t('legend-moving')),
      g('rect', { x: 202, y: y - 10, width: 14, height: 12, fill: 'none', stroke: 'var(--line-2)', 'stroke-dasharray': '2.5 2.5' }), g('text', { class: 'k', x: 222, y }, words.t('legend-off')),
      g('rect', { x: 314, y: y - 10, width: 14, height: 12, fill: 'url(#hatch)', stroke: 'var(--unk)', 'stroke-width': 0.8 }), g('text', { class: 'k', x: 334, y }, words.t('priority-u')));
  }
}
