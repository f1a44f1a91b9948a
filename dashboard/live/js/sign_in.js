// Sign in: one fetch, then a reload, because Streamlit reads cookies only when its websocket opens.
const ART = [[70, 190, 15, 2], [700, 200, 18, 2], [320, 310, 28, 5]];
const STOREY = 22;
const GROUND = 860;
const CARS = [4, 11, 7, 17, 9, 2];

function building([x, width, floors, lifts]) {
  const top = GROUND - floors * STOREY;
  const parts = [g('rect', { x, y: top, width, height: floors * STOREY, fill: 'var(--surface)', stroke: 'var(--line-2)' })];
  for (let i = 1; i < floors; i += 1) parts.push(g('line', { x1: x, x2: x + width, y1: top + i * STOREY, y2: top + i * STOREY, stroke: 'var(--line)' }));
  for (let k = 0; k < lifts; k += 1) {
    const shaft = x + width / 2 - (lifts * 26) / 2 + k * 26 + 3;
    const car = CARS[(k * 2 + floors) % CARS.length] % floors;
    parts.push(g('rect', { x: shaft, y: top + STOREY * (k % 2), width: 20, height: floors * STOREY - STOREY * (k % 2), fill: 'var(--surface-2)', stroke: 'var(--line-2)', 'stroke-width': 0.7 }));
    parts.push(g('rect', { x: shaft + 2.5, y: GROUND - (car + 1) * STOREY + 2, width: 15, height: 18, rx: 1.5, fill: 'var(--equip)' }));
  }
  let seed = floors * 31 + x;
  const next = () => { seed = (seed * 9301 + 49297) % 233280; return seed / 233280; };
  for (let i = 0; i < floors; i += 1) for (let q = 0; q < Math.floor(width / 24); q += 1) {
    const at = x + 10 + q * 24;
    if (Math.abs(at + 7 - (x + width / 2)) >= lifts * 13 + 8 && next() < 0.26) parts.push(g('rect', { x: at, y: top + i * STOREY + 6, width: 13, height: 10, rx: 1, fill: 'var(--surface-3)' }));
  }
  return parts;
}

const doors = new WeakMap();
class Door {
  constructor(root) {
    this.host = root.host;
    this.box = root.querySelector('.wk-door');
    this.words = new Words({}, 'zh');
    this.user = h('input', { name: 'user', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true });
    this.password = h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true });
    this.watch = setInterval(() => follow(this.host), 1000);
    follow(this.host);
  }

  take({ data, setTriggerValue }) {
    this.trigger = setTriggerValue;
    this.data = data;
    if (this.words.lang === data.lang && this.built) return;
    Object.assign(this.words, { texts: data.texts, lang: data.lang });
    this.build();
    if (!this.built) this.user.focus();
    this.built = true;
  }

  build() {
    const { words } = this;
    this.wrong = h('p', { class: 'wrong', role: 'alert' });
    this.button = h('button', { class: 'btn pr lg' }, words.t('sign-in'));
    const sky = g('svg', { viewBox: '0 0 960 900', preserveAspectRatio: 'xMidYMax slice', 'aria-hidden': 'true' }, ART.map(building).flat(), g('line', { x1: 0, x2: 960, y1: GROUND, y2: GROUND, stroke: 'var(--ink-3)', 'stroke-width': 1.6 }), g('rect', { x: 0, y: GROUND + 1, width: 960, height: 40, fill: 'var(--surface-2)' }), g('rect', { x: 572, y: GROUND - 13 * STOREY + 4, width: 20, height: 14, rx: 1, fill: 'var(--accent)' }));
    const form = h('form', {}, h('div', { class: 'brand', style: 'font-size:1.25rem' }, icon('logo'), words.t('product')), h('h2', {}, words.t('sign-in')),
      h('label', {}, words.t('account'), this.user), h('label', {}, words.t('password'), this.password), this.wrong, this.button,
      h('p', { class: 'note' }, words.t('not-certified')),
      h('div', { class: 'foot' }, h('span', {}, words.t('theme-follows')), h('button', { class: 'lang', type: 'button', lang: words.lang === 'zh' ? 'en' : 'zh-CN', onclick: () => this.turn() }, words.t('other-language'))));
    form.onsubmit = (event) => this.enter(event);
    swap(this.box, h('div', { class: 'door' }, h('div', { class: 'art' }, sky, h('div', { class: 'w' }, h('h1', {}, words.t('product')), h('p', {}, words.t('motto')))), form));
  }

  turn() {
    const lang = this.words.lang === 'zh' ? 'en' : 'zh';
    document.cookie = `wk_lang=${lang};path=/;max-age=31536000;samesite=lax`;
    this.words.lang = lang;
    this.build();
    this.trigger('lang', lang);
  }

  async enter(event) {
    event.preventDefault();
    this.button.disabled = true;
    say(this.wrong, '');
    const answer = await post('login', { user: this.user.value.trim(), password: this.password.value });
    this.button.disabled = false;
    if (answer.status === 204 || answer.status === 200) { location.reload(); return; }
    const key = answer.body?.type;
    say(this.wrong, this.words.t(answer.status === 401 ? 'wrong' : answer.status === 0 || answer.status >= 500 ? 'no-server' : this.words.has(key) ? key : 'not-done', answer.body ?? {}));
    this.password.focus();
    this.password.select();
  }

  close() { clearInterval(this.watch); }
}

export default function (component) {
  const root = component.parentElement;
  if (!doors.has(root)) doors.set(root, new Door(root));
  doors.get(root).take(component);
  return () => { doors.get(root)?.close(); doors.delete(root); };
}
