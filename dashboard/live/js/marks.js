// Priority marks (shape, number and colour together) and the few icons.
const MARKS = {
  1: ['M6.2 1.5h7.6L18.5 6.2v7.6L13.8 18.5H6.2L1.5 13.8V6.2z', 13.7],
  2: ['M10 1.6 19 17.8H1z', 15.8],
  3: ['M10 .9 19.1 10 10 19.1.9 10z', 13.8],
  4: ['M10 2a8 8 0 1 1 0 16 8 8 0 0 1 0-16z', 13.7],
  u: ['M2.5 2.5h15v15h-15z', 13.8],
  n: ['M10 2.4a7.6 7.6 0 1 1 0 15.2 7.6 7.6 0 0 1 0-15.2z', 0],
};
const TICK = 'M6.4 10.2 9 12.8 13.8 7.6';

function newMark() {
  return g('svg', { class: 'pri', viewBox: '0 0 20 20', role: 'img' }, g('path', { class: 's' }), g('path', { class: 't' }), g('text', { x: 10 }));
}

// kind: 1 to 4, 'u' unknown, 'n' normal; state: '' to acknowledge, 'ack', 'rtn' returned.
function mark(node, kind, state, words) {
  const [path, baseline] = MARKS[kind];
  put(node, 'class', `pri ${kind === 'u' || kind === 'n' ? kind : `p${kind}`} ${state}${kind === 1 && state === '' ? ' pulse' : ''}`);
  put(node.children[0], 'd', path);
  put(node.children[1], 'd', kind === 'n' ? TICK : '');
  put(node.children[2], 'y', baseline);
  say(node.children[2], { u: '?', n: '' }[kind] ?? kind);
  put(node, 'aria-label', words.t(`priority-${kind}`) + (state ? ` · ${words.t(`mark-${state}`)}` : ''));
  return node;
}
const marked = (kind, state, words) => mark(newMark(), kind, state, words);
const lifeMark = (alarm) => ({ unacknowledged: '', acknowledged: 'ack', returned: 'rtn', latched_unacknowledged: 'rtn', latched: 'rtn' }[alarm.life] ?? 'ack');

const ICONS = {
  logo: [24, 2, 'M2 12C5 6.8 8.3 4.5 12 4.5S19 6.8 22 12c-3 5.2-6.3 7.5-10 7.5S5 17.2 2 12z', 'M12 8v4l2.6 2.2'],
  sound: [16, 1.4, 'M2 6h2.5L8 3v10L4.500 10H2z', 'M10.3 5.7a3.2 3.2 0 0 1 0 4.6M12.3 3.7a6 6 0 0 1 0 8.6'],
  silent: [16, 1.4, 'M2 6h2.5L8 3v10L4.5 10H2z', 'm10.5 6 4 4m0-4-4 4'],
  orders: [24, 1.8, 'M5 4h14v17H5z', 'M9 4V2.800h6V4M8.5 11h7M8.5 15h5'],
  alarms: [24, 1.8, 'M12 4 22 20.5H2z', 'M12 10.5v4.5M12 17.6v.2'],
  me: [24, 1.8, 'M12 4.5a4 4 0 1 1 0 8 4 4 0 0 1 0-8z', 'M4 21c.8-4.2 4-6.2 8-6.2s7.200 2 8 6.200'],
  overview: [24, 1.8, 'M4 20V8l8-4 8 4v12z', 'M9 20v-6h6v6M9 10h.1M15 10h-.1'],
  emergency: [24, 1.8, 'M8 3h8l5 5v8l-5 5H8l-5-5V8z', 'M12 8v5M12 16v.2'],
  equipment: [24, 1.8, 'M4 6h16v12H4z', 'M8 10h3M8 14h8M15 10h1'],
  energy: [24, 1.8, 'M13 2 5 14h6l-1 8 8-12h-6z', ''],
  reports: [24, 1.8, 'M6 3h8l4 4v14H6z', 'M9 12h6M9 16h6'],
  quality: [24, 1.8, 'M4 6h14M4 12h8M4 18h6', 'M13.500 16.500l2.500 2.500 5-6'],
  back: [24, 2, 'M15 5l-7 7 7 7', ''],
  find: [14, 1.5, 'M6 1.8a4.200 4.200 0 1 1 0 8.400 4.200 4.200 0 0 1 0-8.400z', 'm9.200 9.200 3.300 3.300'],
};
function icon(name) {
  const [size, width, ...paths] = ICONS[name];
  return g('svg', { class: 'ic', viewBox: `0 0 ${size} ${size}`, fill: 'none', stroke: 'currentColor', 'stroke-width': width, 'stroke-linejoin': 'round', 'stroke-linecap': 'round', 'aria-hidden': 'true' }, paths.map((d) => d && g('path', { d })));
}
const octagon = () => g('svg', { class: 'oct', viewBox: '0 0 20 20', 'aria-hidden': 'true' }, g('path', { d: MARKS[1][0], fill: '#fff' }), g('text', { x: 10, y: 14, 'text-anchor': 'middle', 'font-size': 11, 'font-weight': 700, fill: '#A80F16' }, '1'));

// The hatch of what is unknown; a pattern must live in the same shadow root as its users.
const hatch = () => g('svg', { width: 0, height: 0, style: 'position:absolute', 'aria-hidden': 'true' }, g('defs', {}, g('pattern', { id: 'hatch', width: 4, height: 4, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' }, g('path', { d: 'M0 0v4', stroke: 'var(--unk)', 'stroke-width': 1.3, opacity: 0.55 }))));

// Time left of an order: used part in grey, yellow from 80 %, orange when over.
function newLimit() { return h('span', { class: 'sla' }, h('span', { class: 'bar' }, h('i')), h('b')); }
function limit(node, order, words) {
  const due = dueOf(order);
  show(node, due !== null || order.state === 'on_hold');
  if (order.state === 'on_hold') {
    put(node, 'class', 'sla pause');
    put(node.querySelector('i'), 'style', '--v:55%');
    say(node.lastChild, words.t('paused', { span: words.span(words.now() - order.moved_at) }));
    return;
  }
  if (due === null) return;
  const used = Math.min(1, Math.max(0, (words.now() - order.opened_at) / Math.max(1, due - order.opened_at)));
  const left = due - words.now();
  put(node, 'class', `sla ${left < 0 ? 'over' : used >= 0.8 ? 'warn' : ''}`);
  put(node.querySelector('i'), 'style', `--v:${(used * 100).toFixed(1)}%`);
  say(node.lastChild, words.t(left < 0 ? 'over' : 'left', { span: words.span(Math.abs(left)) }));
}
const dueOf = (order) => (['done', 'verified', 'closed', 'cancelled', 'duplicate'].includes(order.state) ? null
  : ['new', 'triaged', 'assigned'].includes(order.state) ? order.respond_due ?? order.restore_due : order.restore_due) ?? null;
const isOver = (order, words) => dueOf(order) !== null && order.state !== 'on_hold' && dueOf(order) < words.now();
