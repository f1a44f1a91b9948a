// The single line: incoming meters, their buses, and the feeders with load against rating.
const LINE = { width: 544, height: 222 };
const WARN_SHARE = 0.8;

class Power {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.svg = g('svg', { class: 'draw', viewBox: `0 0 ${LINE.width} ${LINE.height}`, role: 'img', 'aria-label': words.t('power') });
    this.total = h('b', { style: 'color:var(--ink)' });
    this.root = h('section', { class: 'panel line-panel' }, h('div', { class: 'ph' }, h('h2', {}, words.t('power')), h('span', { class: 'meta' }, words.t('power-what')), h('span', { class: 'meta end' }, words.t('now-power'), ' ', this.total, ' kW')), this.svg);
  }

  points() { return plantOf(this.app.house).branches.flatMap(({ main, feeders }) => [main, ...feeders]).map((unit) => `${unit.id}/active_power`); }

  build() {
    const { branches } = plantOf(this.app.house);
    const all = branches.reduce((sum, { feeders }) => sum + Math.max(1, feeders.length), 0);
    const step = (LINE.width - 24) / all;
    this.nodes = [];
    const parts = [];
    let x = 12;
    for (const { main, feeders } of branches) {
      const width = step * Math.max(1, feeders.length);
      parts.push(g('line', { x1: x + 4, x2: x + width - 6, y1: 96, y2: 96, stroke: 'var(--ink)', 'stroke-width': 3.5 }));
      parts.push(this.incoming(main, x + width / 2));
      feeders.forEach((unit, i) => parts.push(this.feeder(unit, x + step * (i + 0.5), step)));
      x += width;
    }
    swap(this.svg, parts.flat());
    this.built = this.app.house.site;
  }

  incoming(unit, x) {
    const line = g('line', { x1: x, x2: x, y1: 6, y2: 96, stroke: 'var(--ink-2)', 'stroke-width': 1.4 });
    const coil = [34, 44].map((y) => g('circle', { cx: x, cy: y, r: 8, fill: y === 34 ? 'var(--surface)' : 'none', stroke: 'var(--ink-2)', 'stroke-width': 1.4 }));
    const gate = g('rect', { x: x - 5, y: 70, width: 10, height: 10, fill: 'var(--ink-2)' });
    const figure = g('tspan', { class: 'b', style: 'font-size:15px' });
    const name = g('text', { class: 'k', x: x + 16, y: 28 });
    const value = g('text', { x: x + 16, y: 47 }, figure, g('tspan', { class: 'k', dx: 3 }, 'kW'));
    const bar = this.bar(unit, x - 116, 40, 96);
    const share = g('text', { class: 'k', x: x - 116, y: 34 });
    this.nodes.push({ unit, figure, name, gate, line, bar, share, wide: true });
    return [line, ...coil, gate, name, value, share, ...(bar?.parts ?? [])];
  }

  feeder(unit, x, step) {
    const line = g('line', { x1: x, x2: x, y1: 96, y2: 154, stroke: 'var(--ink-2)', 'stroke-width': 1.4 });
    const gate = g('rect', { x: x - 5, y: 112, width: 10, height: 10, fill: 'var(--ink-2)', stroke: 'var(--ink-2)', 'stroke-width': 1.4 });
    const arrow = g('path', { d: `M${x - 4} 150l4 6 4-6z`, fill: 'var(--ink-2)' });
    const veil = g('rect', { x: x - step / 2 + 3, y: 160, width: step - 6, height: 46, rx: 2, fill: 'url(#hatch)', visibility: 'hidden' });
    const figure = g('text', { class: 'b', x, y: 174, 'text-anchor': 'middle', style: 'font-size:13px' });
    const lines = [188, 201].map((y) => g('tspan', { x, y }));
    const name = g('text', { class: 'k', 'text-anchor': 'middle', style: 'font-size:11px' }, lines);
    const full = g('title');
    const bar = this.bar(unit, x - step / 2 + 6, 208, step - 12);
    this.nodes.push({ unit, figure, name, gate, line, veil, bar, full, step });
    return [line, gate, arrow, veil, figure, name, ...(bar?.parts ?? []), full];
  }

  bar(unit, x, y, width) {
    if (!unit.rated_kw) return null;
    const fill = g('rect', { x, y, width: 0, height: 6, fill: 'var(--equip)' });
    const tick = x + width * WARN_SHARE;
    return { width, fill, parts: [g('rect', { x, y, width, height: 6, fill: 'var(--surface-3)' }), fill, g('line', { x1: tick, x2: tick, y1: y - 2, y2: y + 8, stroke: 'var(--ink-2)' })] };
  }

  paint() {
    if (this.built !== this.app.house.site) this.build();
    const { words, house } = this.app;
    let total = 0;
    let whole = true;
    for (const node of this.nodes) {
      const last = house.read(`${node.unit.id}/active_power`);
      const kw = last.known ? last.value / 1000 : null;
      if (node.wide) { whole = whole && kw !== null; total += kw ?? 0; }
      this.node(node, kw, last);
    }
    say(this.total, whole ? words.number(total) : '?');
  }

  node({ unit, figure, name, gate, line, veil, bar, share, full, step }, kw, last) {
    const { words, house } = this.app;
    const alarm = worst(house, [unit.id]);
    const load = kw !== null && unit.rated_kw ? kw / unit.rated_kw : null;
    const hot = kw !== null && ((alarm && isActive(alarm) && alarm.priority <= 2) || (load !== null && load > 1));
    const ink = hot ? 'var(--p2-edge)' : 'var(--ink-2)';
    say(figure, kw === null ? '?' : words.number(kw, kw < 10 ? 1 : 0));
    put(figure, 'style', `font-size:${step ? 13 : 15}px${hot ? ';fill:var(--p2-text)' : ''}`);
    const label = words.pick(unit.name) || unit.id;
    const age = kw === null && last.at ? words.span(words.now() - last.at) : '';
    if (step) (age ? [age, ''] : this.fit(label, step)).forEach((line, i) => say(name.children[i], line));
    else say(name, age || label);
    if (full) say(full, label);
    put(gate, 'fill', kw === null ? 'url(#hatch)' : hot ? 'var(--p2)' : 'var(--ink-2)');
    put(gate, 'stroke', kw === null ? 'var(--unk)' : ink);
    put(line, 'stroke', ink);
    put(line, 'stroke-width', hot ? 2.2 : 1.4);
    put(line, 'stroke-dasharray', kw === null ? '3 3' : null);
    if (veil) put(veil, 'visibility', kw === null ? null : 'hidden');
    if (bar) put(bar.fill, 'width', (bar.width * Math.min(1, load ?? 0)).toFixed(1));
    if (bar) put(bar.fill, 'fill', load > 1 || hot ? 'var(--p2)' : load >= WARN_SHARE ? 'var(--p3)' : 'var(--equip)');
    if (share) say(share, load === null ? '' : words.t('load', { n: words.number(load * 100) }));
  }

  // A name in one line or two even ones: Chinese takes about 11 px a sign, Latin about 5.8.
  fit(text, step) {
    const wide = (part) => [...part.trim()].reduce((sum, sign) => sum + (sign.charCodeAt(0) > 255 ? 11 : 5.8), 0);
    if (wide(text) <= step - 2) return [text, ''];
    const parts = text.match(/[\u2e80-\uffff]|[^\s\u2e80-\uffff]+|\s/g) ?? [text];
    const splits = parts.map((_, i) => [parts.slice(0, i).join(''), parts.slice(i).join('')]).slice(1);
    const [first, second] = splits.reduce((best, each) => (Math.max(...each.map(wide)) < Math.max(...best.map(wide)) ? each : best), splits[0] ?? [text, '']);
    return [first, second].map((line) => {
      let kept = line.trim();
      while (kept && wide(kept) > step) kept = `${kept.replace(/\u2026$/, '').slice(0, -1).trimEnd()}\u2026`;
      return kept;
    });
  }
}
