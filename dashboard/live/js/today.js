// Today's power: the sum of the main meters in quarter hours, from the history, hatched where it is missing.
const QUARTER = 900_000;
const AGAIN_MS = 300_000;

class Today {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.svg = g('svg', { class: 'draw', viewBox: '0 0 544 206', role: 'img', 'aria-label': words.t('today') });
    const figure = (key, css) => h('div', {}, h('div', { class: 'l' }, words.t(key)), h('div', { class: `v ${css}` }, h('span'), h('span', { class: 'u' })));
    this.energy = figure('used', '');
    this.peak = figure('peak', 's mid');
    this.cov = h('span', { class: 'meta end cov' }, words.t('coverage'), ' ', h('i'), h('span'));
    this.none = h('p', { class: 'hint', hidden: true }, words.t('no-history'));
    this.root = h('section', { class: 'panel grow' }, h('div', { class: 'ph' }, h('h2', {}, words.t('today')), h('span', { class: 'meta' }, words.t('today-what')), this.cov), h('div', { class: 'kp' }, this.energy, this.peak), this.none, this.svg);
  }

  async load() {
    const { house, words } = this.app;
    if (!house.site) return;
    this.asked = words.now();
    const start = words.midnight();
    const end = Math.round(words.now());
    const answers = await Promise.all(plantOf(house).mains.map((unit) => ask(`history?point=${encodeURIComponent(`${unit.id}/active_power`)}&start=${start}&end=${end}&width=${QUARTER}`)));
    if (answers.every(({ status }) => status === 200)) this.draw(start, end, answers.map(({ body }) => new Map(body.start.map((at, i) => [at, body.mean[i]]))));
  }

  paint() { if (!(this.app.words.now() - this.asked < AGAIN_MS)) this.load(); }

  draw(start, end, meters) {
    const { words } = this.app;
    const rows = [];
    for (let at = start; at < end; at += QUARTER) {
      const parts = meters.map((meter) => meter.get(at) ?? null);
      rows.push([at, parts.includes(null) ? null : parts.reduce((a, b) => a + b, 0) / 1000]);
    }
    const known = rows.filter(([, kw]) => kw !== null);
    const fact = (node, value, unit) => { say(node.lastChild.firstChild, value); say(node.lastChild.lastChild, unit); };
    const share = known.length / Math.max(1, rows.length);
    const kwh = known.reduce((sum, [at, kw]) => sum + kw * Math.min(QUARTER, end - at) / HOUR, 0);
    const top = known.reduce((a, b) => (b[1] > a[1] ? b : a), [0, 0]);
    show(this.none, known.length < 2);
    put(this.svg, 'style', known.length < 2 ? 'visibility:hidden' : null);
    fact(this.energy, known.length ? words.number(kwh) : '?', 'kWh');
    fact(this.peak, known.length ? words.number(top[1]) : '?', known.length ? `kW · ${words.minute(top[0])}` : 'kW');
    put(this.cov.children[0], 'style', `--v:${(share * 100).toFixed(1)}%`);
    say(this.cov.lastChild, `${words.number(share * 100, 1)}%${share < 0.9 ? ` ${words.t('low')}` : ''}`);
    if (known.length > 1) this.chart(start, rows, top[1]);
  }

  chart(start, rows, peak) {
    const { words } = this.app;
    const ceiling = [50, 100, 150, 200, 300, 400, 600, 800, 1000, 1200, 1600, 2000, 4000].find((n) => n > peak * 1.08) ?? peak * 1.2;
    const x = (at) => 44 + ((at - start) / DAY) * 486;
    // As high as the panel leaves room for; the width is always 544 of its own units.
    const frame = this.svg.getBoundingClientRect();
    const height = frame.width ? Math.max(120, Math.min(320, (544 * frame.height) / frame.width)) : 206;
    put(this.svg, 'viewBox', `0 0 544 ${height.toFixed(0)}`);
    const y = (kw) => height - 28 - (kw / ceiling) * (height - 46);
    const parts = [0, ceiling / 2, ceiling].map((kw) => [g('line', { x1: 44, x2: 530, y1: y(kw), y2: y(kw), stroke: 'var(--line)' }), g('text', { class: 'k', x: 38, y: y(kw) + 4, 'text-anchor': 'end' }, words.number(kw))]);
    rows.filter(([, kw]) => kw === null).forEach(([at]) => parts.push(g('rect', { x: x(at), width: x(at + QUARTER) - x(at) + 0.3, y: y(ceiling), height: y(0) - y(ceiling), fill: 'url(#hatch)', opacity: 0.7 })));
    let pen = 'M';
    const path = rows.map(([at, kw]) => { const step = kw === null ? '' : `${pen}${x(at + QUARTER / 2).toFixed(1)} ${y(kw).toFixed(1)}`; pen = kw === null ? 'M' : 'L'; return step; }).join('');
    parts.push(g('path', { d: path, fill: 'none', stroke: 'var(--d1)', 'stroke-width': 2.2, 'stroke-linejoin': 'round' }));
    const [at, kw] = rows.filter((row) => row[1] !== null).at(-1);
    const late = at - start > 16 * HOUR;
    parts.push(g('circle', { cx: x(at + QUARTER / 2), cy: y(kw), r: 3.6, fill: 'var(--d1)' }), g('text', { class: 'b', x: x(at) + (late ? -8 : 10), y: Math.max(26, y(kw) - 10), 'text-anchor': late ? 'end' : 'start' }, `${words.number(kw)} kW`));
    [0, 6, 12, 18, 24].forEach((hour) => parts.push(g('text', { class: 'k', x: x(start + hour * HOUR), y: height - 8, 'text-anchor': hour === 0 ? 'start' : hour === 24 ? 'end' : 'middle' }, `${String(hour).padStart(2, '0')}:00`)));
    swap(this.svg, parts.flat());
  }
}
