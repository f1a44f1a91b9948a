// The one live component: it holds the stream and the frame, and shows one view at a time. Opened once;
// a rerun of the script only brings new data. Moving between live views needs no script at all.
const VIEWS = {};
const WALL_WIDTH = 760; // below this a screen is a phone
const TOAST_MS = 5000;
const INSIST_MS = 3000;
const TRIES = 4;

class App {
  constructor(root) {
    this.host = root.host;
    this.box = root.querySelector('.wk');
    this.words = new Words({}, 'zh');
    this.house = new House(this.words);
    this.views = new Map();
    this.bell = new Bell(() => this.bars.paint());
  }

  take({ data, setTriggerValue }) {
    const first = !this.data;
    this.trigger = setTriggerValue;
    this.data = data;
    const moved = this.words.lang !== data.lang;
    Object.assign(this.words, { texts: data.texts, lang: data.lang });
    if (first) this.begin();
    // A screen picked here is shown at once; the script's answer about an older pick must not undo it.
    if (!this.picked || this.picked.view === data.view) {
      this.picked = null;
      if (this.view !== data.view) this.open(data.view, Object.fromEntries(new URLSearchParams(location.search)));
    }
    if (moved && !first) this.speak();
    this.draw();
  }

  begin() {
    this.frame = h('div', { class: 'view' });
    this.bars = new Bars(this);
    this.box.append(hatch(), ...this.bars.above, this.frame, ...this.bars.below);
    follow(this.host);
    this.stream = new Stream({
      snapshot: (all) => { this.house.snapshot(all); this.ownOrders(); this.soon(); },
      alarm: (alarm) => { if (this.house.alarm(alarm)) this.bars.announce(alarm); this.soon(); },
      order: (order) => { this.house.order(order); this.ownOrders(); this.soon(); },
      run: (run) => { this.house.run(run); this.soon(); },
      flag: (flag) => { this.house.flag(flag); this.soon(); },
      flood: (flood) => this.bars.banner.heard(flood),
      message: () => this.views.get('me')?.reload(),
      values: (values) => { for (const [point, value] of Object.entries(values)) this.house.value(point, value); this.soon(); },
      beat: () => {},
    }, (silent) => this.heard(silent), () => location.reload());
    this.stream.want([]);
    this.ticker = setInterval(() => this.tick(), 1000);
    this.load();
    this.keys = (event) => this.key(event);
    window.addEventListener('keydown', this.keys);
    this.scheme = matchMedia('(prefers-color-scheme: dark)');
    this.follow = () => setTimeout(() => follow(this.host), 50);
    this.scheme.addEventListener('change', this.follow);
    this.fit = () => this.scale();
    window.addEventListener('resize', this.fit);
  }

  async load() {
    const [site, people, health] = await Promise.all([ask('site'), ask('people'), ask('health')]);
    if (Number.isFinite(site.date) && Math.abs(site.date - Date.now()) > 3000) this.words.skew = site.date - Date.now();
    if (people.status === 200) this.house.people = people.body;
    if (health.status === 200) this.house.health = health.body;
    if (site.status === 200) this.house.learn(site.body);
    else setTimeout(() => this.load(), REOPEN_MS);
    this.subscribe();
    this.draw();
  }

  // The wall is one picture: its root font size follows the window.
  scale() {
    const wall = this.view === 'overview' && innerWidth > WALL_WIDTH;
    document.documentElement.style.fontSize = wall ? 'min(calc(100vw / 90), calc(100vh / 56.25))' : '';
  }

  phone() { return innerWidth <= WALL_WIDTH; }

  // Show a screen: a live one at once, and tell the script, which keeps the address and the rest.
  go(view, params = {}) {
    const native = !(view in VIEWS);
    this.picked = { view, params, at: performance.now(), tries: 1 };
    if (!native) this.open(view, params);
    else this.bars.paint(view);
    this.trigger('go', { view, params });
  }

  open(view, params = {}) {
    this.view = view;
    const native = !(view in VIEWS);
    put(this.box, 'data-view', view);
    this.box.classList.toggle('native', native);
    show(this.frame, !native);
    this.scale();
    this.current = native ? null : this.views.get(view) ?? new VIEWS[view](this);
    if (this.current) {
      this.views.set(view, this.current);
      swap(this.frame, this.current.root);
      this.current.enter?.(params);
    }
    this.subscribe();
    this.draw();
  }

  subscribe() { if (this.house.site || !this.current?.points) this.follows(this.current?.points?.() ?? []); }

  async follows(points) {
    this.stream.want(points);
    if (!points.length) return;
    const { status, body } = await ask(`points/latest?points=${encodeURIComponent(points.join(','))}`);
    if (status === 200) { this.house.latest(body); this.soon(); }
  }

  // The stream tells everybody the same; what *this* person may do with an order, the server says.
  ownOrders() {
    clearTimeout(this.asking);
    this.asking = setTimeout(async () => {
      const { status, body } = await ask('orders?open=true');
      if (status !== 200) return;
      for (const order of body) if ((this.house.orders.get(order.id)?.moved_at ?? 0) <= order.moved_at) this.house.order(order);
      this.soon();
    }, 60);
  }

  // All changes of one turn of the stream are drawn once.
  soon() {
    if (this.drawing) return;
    this.drawing = true;
    setTimeout(() => { this.drawing = false; this.draw(); }, 0);
  }

  draw() {
    this.bell.ring(this.house.unacknowledged(1).length > 0);
    this.bars.paint();
    this.current?.paint();
  }

  tick() {
    follow(this.host);
    this.insist();
    this.draw();
  }

  // A pick that another rerun of the script swallowed is told again, so that the address follows.
  insist() {
    const { picked } = this;
    if (!picked || performance.now() - picked.at < INSIST_MS * picked.tries) return;
    picked.tries += 1;
    if (picked.tries > TRIES) this.picked = null;
    else this.trigger('go', { view: picked.view, params: picked.params });
  }

  heard(silent) {
    this.silent = silent;
    if (this.house.deaf !== silent >= SILENT_MS) this.soon();
    this.house.deaf = silent >= SILENT_MS;
    this.bars.lost(silent);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inside = event.composedPath()[0];
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(inside?.tagName ?? '')) return;
    this.current?.key?.(event);
  }

  // One deed for the server. The screen changes when the stream says so, not before.
  async do(path, body, button) {
    if (button) button.disabled = true;
    const answer = await post(path, body);
    if (button) button.disabled = false;
    const { status } = answer;
    if (status >= 200 && status < 300) return answer.body ?? true;
    if (status === 401) location.reload();
    this.toast(this.why(answer));
    return null;
  }

  why({ status, body }) {
    if (status === 0 || status >= 500) return this.words.t('not-delivered');
    if (body?.type && this.words.has(body.type)) return this.words.t(body.type, body);
    return this.words.t(status === 403 ? 'not-allowed' : 'not-done');
  }

  toast(text) {
    this.note?.remove();
    this.note = h('div', { class: 'toast', role: 'alert' }, text);
    this.box.append(this.note);
    const note = this.note;
    setTimeout(() => note.remove(), TOAST_MS);
  }

  // The other language, at once; the cookie keeps it, the script follows.
  turn(lang) {
    document.cookie = `wk_lang=${lang};path=/;max-age=31536000;samesite=lax`;
    this.words.lang = lang;
    this.speak();
    this.trigger('lang', lang);
  }

  // Views are built with words in them: in another language they are built anew, in the same place.
  speak() {
    const params = this.current?.place?.() ?? {};
    this.views.clear();
    this.bars.relabel();
    this.open(this.view, params);
  }

  async leave() {
    await post('logout');
    location.href = '/';
  }

  close() {
    clearInterval(this.ticker);
    this.stream?.close();
    this.bell.close();
    window.removeEventListener('keydown', this.keys);
    window.removeEventListener('resize', this.fit);
    this.scheme?.removeEventListener('change', this.follow);
    document.documentElement.style.fontSize = '';
  }
}
