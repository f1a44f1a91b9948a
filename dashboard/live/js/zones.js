// Fire zones: flat grey when quiet, solid red on fire, hatched when nobody knows.
const DETECTOR = { fire: 1, fault: 2, off: 3 }; // catalog/profiles/fire-panel-gateway.yaml
const NUMBERED = /\/detector-0*(\d+)$/;
const detectors = ({ zone, unit }, house) => {
  unit.numbered ??= new Map([...house.points.keys()].filter((point) => point.startsWith(`${unit.id}/`) && NUMBERED.test(point)).map((point) => [Number(NUMBERED.exec(point)[1]), point]));
  return Array.from({ length: zone.detectors[1] - zone.detectors[0] + 1 }, (_, i) => unit.numbered.get(zone.detectors[0] + i)).filter(Boolean);
};

function zoneState(house, each) {
  const state = { fire: 0, fault: 0, off: 0, unknown: 0, oldest: Infinity, all: 0 };
  for (const point of detectors(each, house)) {
    const last = house.read(point);
    state.all += 1;
    if (!last.known) { state.unknown += 1; state.oldest = Math.min(state.oldest, last.at ?? Infinity); }
    else for (const [name, code] of Object.entries(DETECTOR)) if (last.value === code) state[name] += 1;
  }
  return state;
}

class Zones {
  constructor(app) {
    this.app = app;
    this.root = h('div', { class: 'fz' });
    this.rows = new Rows(this.root, () => h('div', {}, h('b', { class: 'cut' }), h('span', { class: 'cut' })), (node, each) => this.patch(node, each), ({ zone }) => zone.id);
  }

  points() { return plantOf(this.app.house).zones.flatMap((each) => detectors(each, this.app.house)); }

  patch(node, each) {
    const { words, house } = this.app;
    const state = zoneState(house, each);
    const kind = state.fire ? 'fire' : state.unknown === state.all ? 'hatch' : state.fault ? 'fault' : state.unknown ? 'hatch' : state.off ? 'off' : '';
    put(node, 'class', kind);
    say(node.firstChild, words.pick(each.zone.name));
    const since = state.fire ? worst(house, [each.unit.id]) : null;
    const age = Number.isFinite(state.oldest) ? words.span(words.now() - state.oldest) : '';
    const text = {
      fire: words.t('zone-fire', { n: state.fire, span: since ? words.span(words.now() - since.raised_at) : '' }),
      fault: words.t('zone-fault', { n: state.fault }), off: words.t('disabled-n', { n: state.off }),
      hatch: words.t(age ? 'zone-unknown-for' : 'zone-unknown', { n: state.unknown, age }), '': words.t('zone-normal', { n: state.all }),
    }[kind];
    say(node.lastChild, text);
  }

  paint() { this.rows.set(plantOf(this.app.house).zones); }
}
