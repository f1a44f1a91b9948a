// A point around its alarm: a broken line over hatch where there is no data, the limit, and when it was
// raised, over and acknowledged. What began within the hour is shown up to now.
class Trend {
  constructor(app, { height = 150, width = 448, hours = 1 } = {}) {
    Object.assign(this, { app, height, width, span: hours * TREND_MS });
    this.root = g('svg', { class: 'trend', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': app.words.t('trend') });
  }

  async set(alarm) {
    const point = this.app.house.points?.get(alarm.point);
    if (!point || point.words?.length) { this.id = null; show(this.root, false); return; }
    const old = this.app.words.now() - (this.asked ?? 0) > 20_000;
    if (this.id === alarm.id && !old) return;
    const first = this.id !== alarm.id;
    Object.assign(this, { id: alarm.id, asked: this.app.words.now() });
    if (first) swap(this.root);
    show(this.root, true);
    const { start, end } = this.window(alarm);
    this.span = end - start;
    const { status, body } = await ask(`history?point=${encodeURIComponent(alarm.point)}&start=${Math.round(start)}&end=${Math.round(end)}&width=60000`);
    if (status === 200 && this.id === alarm.id) this.draw(body, alarm, end);
  }

  window(alarm) {
    const now = this.app.words.now();
    if (now - alarm.raised_at < TREND_MS * 0.9) return { start: now - TREND_MS, end: now };
    const last = Math.max(alarm.raised_at, alarm.returned_at ?? 0, alarm.acknowledged_at ?? 0);
    const end = Math.min(now, last + TREND_MS / 2, alarm.raised_at + 6 * TREND_MS);
    return { start: alarm.raised_at - TREND_MS / 2, end };
  }

  // A line with its word for each moment; words that would lie on another are left to the line above.
  moments(alarm, end, x, top, bottom) {
    const { words } = this.app;
    const inside = [['raised', alarm.raised_at], ['acknowledged', alarm.acknowledged_at], ['returned', alarm.returned_at]].filter(([, at]) => at && at > end - this.span && at <= end);
    let free = -Infinity;
    return inside.sort((a, b) => a[1] - b[1]).flatMap(([key, at]) => {
      const text = `${words.t(key)} ${words.minute(at)}`;
      const [left, wide] = [x(at), 7 * text.length + 20];
      const back = left + wide > this.width;
      const fits = (back ? left - wide : left) >= free;
      if (fits) free = back ? left : left + wide;
      return [g('line', { class: `at ${key}`, x1: left, x2: left, y1: top, y2: bottom }), fits && g('text', { class: 'mt', x: left + (back ? -4 : 4), y: top - 4, 'text-anchor': back ? 'end' : 'start' }, text)].filter(Boolean);
    });
  }

  draw({ start, mean }, alarm, end) {
    const peak = Math.max(alarm.limit ?? 0, ...mean.map(Math.abs));
    const factor = alarm.unit_symbol === 'W' && peak >= FROM_KW ? 0.001 : 1;
    const limit = alarm.limit === null || alarm.limit === undefined ? null : alarm.limit * factor;
    const data = this.holed(start.map((at, i) => [at, mean[i] === null ? null : mean[i] * factor]));
    const values = [...data.map(([, value]) => value).filter((value) => value !== null), ...(limit === null ? [] : [limit])];
    show(this.root, values.length > 1);
    if (values.length < 2) return;
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const pad = (high - low || Math.abs(high) || 1) * 0.15;
    const [left, right, top, bottom] = [44, this.width - 12, 20, this.height - 28];
    const x = (at) => left + ((at - (end - this.span)) / this.span) * (right - left);
    const y = (value) => bottom - ((value - low + pad) / (high - low + 2 * pad)) * (bottom - top);
    const { words } = this.app;
    const unit = factor === 1 ? alarm.unit_symbol ?? '' : 'kW';
    const parts = [low, (low + high) / 2, high].map((value) => [g('line', { class: 'gl', x1: left, x2: right, y1: y(value), y2: y(value) }), g('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, words.number(value, high - low < 10 ? 2 : 0))]);
    if (limit !== null) parts.push(g('line', { class: 'lim', x1: left, x2: right, y1: y(limit), y2: y(limit) }), g('text', { class: 'lt', x: left + 4, y: y(limit) + 14 }, words.t('limit', { limit: `${words.number(limit, high - low < 10 ? 2 : 0)} ${unit}`.trim() })));
    parts.push(...this.gaps(data, end, x, top, bottom), g('path', { class: 'cur', d: this.path(data, x, y) }));
    const last = data.filter(([, value]) => value !== null).at(-1);
    if (last) parts.push(g('circle', { cx: x(last[0]), cy: y(last[1]), r: 3.5, fill: 'var(--d1)' }));
    parts.push(...this.moments(alarm, end, x, top, bottom));
    put(this.root, 'aria-label', words.t('trend-said', { low: words.number(low, 1), high: words.number(high, 1), unit, from: words.minute(end - this.span), to: words.minute(end) }));
    for (const share of [0, 0.25, 0.5, 0.75, 1]) parts.push(g('text', { x: left + share * (right - left), y: this.height - 8, 'text-anchor': share === 1 ? 'end' : share ? 'middle' : 'start' }, words.minute(end - this.span * (1 - share))));
    swap(this.root, parts.flat());
  }

  // The rows with a null where data are missing. A steady value comes once a minute, a settled one every
  // quarter of an hour: a gap is what is longer than that rhythm, not every empty bucket.
  holed(rows) {
    let rhythm = rows.length > 1 ? rows[1][0] - rows[0][0] : 0;
    return rows.flatMap((row, i) => {
      if (!i) return [row];
      const [before] = rows[i - 1];
      const step = row[0] - before;
      const gap = step > Math.max(2 * MINUTE, rhythm * 1.5);
      rhythm = step;
      return gap ? [[before + MINUTE, null], row] : [row];
    });
  }

  path(data, x, y) {
    let pen = 'M';
    return data.map(([at, value]) => {
      if (value === null) { pen = 'M'; return ''; }
      const step = `${pen}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = 'L';
      return step;
    }).join('');
  }

  gaps(data, end, x, top, bottom) {
    const found = [];
    let from = null;
    for (const [at, value] of [...data, [end, 0]]) {
      if (value === null) from ??= at;
      else if (from !== null) { found.push([from, at]); from = null; }
    }
    return found.map(([a, b]) => g('rect', { x: x(a), width: Math.max(1, x(b) - x(a)), y: top, height: bottom - top, fill: 'url(#hatch)' }));
  }
}
