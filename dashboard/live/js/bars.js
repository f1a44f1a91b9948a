// The bars around a view: top bar, connection, emergency, the phone's tabs, and what is read aloud.
const POLITE_MS = 4000;

class Bars {
  constructor(app) {
    this.app = app;
    this.buttons = new Map();
    this.loud = h('div', { class: 'quiet', 'aria-live': 'assertive' });
    this.calm = h('div', { class: 'quiet', 'aria-live': 'polite' });
    this.top = h('header', { class: 'top' });
    this.gone = h('div', { class: 'lost', role: 'status', hidden: true }, h('span'));
    this.red = h('div', { class: 'emg', hidden: true, onclick: () => this.console() });
    this.tabs = h('nav', { class: 'tabs' });
    this.banner = new Banner(app);
    this.tests = new TestBar(app);
    this.above = [this.top, this.gone, this.red, this.banner.flood, this.tests.root, this.banner.root];
    this.below = [this.tabs, this.loud, this.calm];
    this.relabel();
  }

  relabel() {
    const { app } = this;
    const { words, data } = app;
    this.buttons.clear();
    this.site = h('div', { class: 'semi' });
    this.size = h('div', { class: 'dim' });
    this.live = h('span', { class: 'conn' }, h('i'), h('span'));
    this.demo = h('span', { class: 'chip demo', hidden: true }, words.t('demo'));
    this.sound = h('button', { class: 'sound', type: 'button', onclick: () => (app.bell.on() ? app.bell.stop() : app.bell.start()) }, h('span'), h('span'));
    this.who = h('button', { class: 'who conn', type: 'button', 'data-go': 'me', onclick: () => app.go('me') }, h('span'));
    this.clock = h('b');
    this.day = h('div', { class: 'dim' });
    const nav = data.nav.filter((view) => view !== 'me').map((view) => this.button(view, 'nav'));
    swap(this.top,
      h('div', { class: 'brand' }, icon('logo'), h('span', {}, words.t('product'))),
      h('div', { class: 'site cut' }, this.site, this.size), h('nav', { class: 'nav' }, nav), h('span', { class: 'grow' }), this.demo, this.live, this.sound,
      this.who,
      h('button', { class: 'lang', type: 'button', lang: words.lang === 'zh' ? 'en' : 'zh-CN', onclick: () => app.turn(words.lang === 'zh' ? 'en' : 'zh') }, words.t('other-language')),
      h('div', { class: 'now' }, this.clock, this.day));
    this.title = h('div', { class: 't1' });
    this.under = h('div', { class: 't2' });
    this.watch = h('div', { class: 'clock' });
    swap(this.red, octagon(), h('div', {}, this.title, this.under), h('span', { class: 'grow' }), h('div', { class: 't2 since' }, words.t('elapsed')), this.watch, h('span', { class: 'sep' }), h('button', { class: 'btn', type: 'button' }, words.t('open-console')));
    const tabs = [...data.nav.filter((view) => view !== 'me').slice(0, 4), 'me'];
    swap(this.tabs, tabs.map((view) => this.button(view, 'tab')));
    this.paint();
  }

  button(view, kind) {
    const { words } = this.app;
    const count = h('span', { class: 'cnt', hidden: true });
    const node = h('button', { type: 'button', 'data-go': view, onclick: () => this.app.go(view) }, kind === 'tab' && icon(view === 'mine' ? 'orders' : view), h('span', {}, words.t(`nav-${view}`)), count);
    if (view === 'emergency') node.append(marked(1, 'ack', words));
    this.buttons.set(node, { view, count });
    return node;
  }

  paint(view = this.app.view) {
    const { app } = this;
    const { words, house } = app;
    const waiting = house.unacknowledged();
    const mine = house.openOrders().filter((order) => order.person === app.data.me.id && order.state === 'assigned').length;
    for (const [node, { view: key, count }] of this.buttons) {
      node.classList.toggle('on', key === view);
      put(node, 'aria-current', key === view ? 'page' : null);
      const n = { alarms: waiting.length, mine }[key] ?? 0;
      show(count, n > 0);
      say(count, n || '');
      count.classList.toggle('u1', key === 'alarms' && waiting.some((alarm) => alarm.priority === 1 && isActive(alarm)));
      if (key === 'emergency') show(node.querySelector('.pri'), house.openRuns().length > 0);
    }
    say(this.site, words.pick(house.site?.name));
    say(this.size, house.site ? words.t('site-size', { units: house.site.units.length, points: words.number(house.site.points.length) }) : '');
    const known = house.people.some((person) => person.id === app.data.me.id);
    say(this.who.firstChild, known ? house.personName(app.data.me.id) : app.data.me.name);
    this.who.classList.toggle('on', view === 'me');
    show(this.demo, house.site?.demo === true);
    say(this.clock, words.clock(words.now()));
    say(this.day, words.date(words.now()));
    this.paintSound();
    this.paintRun();
    this.tests.paint();
    this.banner.paint();
  }

  paintSound() {
    const { words, bell } = this.app;
    const on = bell.on();
    put(this.sound, 'class', `sound ${on ? '' : 'off'}`);
    if (this.sound.dataset.on !== String(on)) swap(this.sound.firstChild, icon(on ? 'sound' : 'silent'));
    this.sound.dataset.on = on;
    say(this.sound.lastChild, words.t(on ? 'sound-on' : this.app.phone() ? 'sound-off-short' : 'sound-off'));
    put(this.sound, 'aria-label', words.t(on ? 'sound-on' : 'sound-off'));
    put(this.sound, 'aria-pressed', on);
  }

  paintRun() {
    const { app } = this;
    const { words, house } = app;
    const [run, ...more] = house.openRuns();
    show(this.red, Boolean(run) && app.data.duty.includes(app.view));
    if (!run) return;
    const done = run.steps.filter((step) => ['done', 'skipped'].includes(step.state)).length;
    const now = run.steps.find((step) => ['doing', 'ready'].includes(step.state));
    say(this.title, (run.mode === 'exercise' ? words.t('run-drill', { title: house.runName(run) }) : house.runName(run)) + (more.length ? ` · +${more.length}` : ''));
    say(this.under, [words.t('steps-done', { done, all: run.steps.length }), now && words.pick(now.text)].filter(Boolean).join(' · '));
    say(this.watch, words.stopwatch(words.now() - run.started_at));
  }

  console() { this.app.go('emergency', { run: this.app.house.openRuns()[0]?.id ?? '' }); }

  lost(silent) {
    const { words, stream } = this.app;
    const lost = silent >= SILENT_MS;
    show(this.gone, lost);
    this.gone.classList.toggle('long', silent >= LONG_MS);
    put(this.live, 'class', `conn ${lost ? 'bad' : this.app.house.loaded ? '' : 'wait'}`);
    say(this.live.lastChild, words.t(lost ? 'not-live' : this.app.house.loaded ? 'live' : 'connecting'));
    if (!lost) return;
    // Coarse steps: a screen reader would otherwise speak every second.
    const facts = { s: Math.floor(silent / 5000) * 5, at: words.clock(stream.heardAt + words.skew), span: words.span(silent) };
    say(this.gone.firstChild, words.t(silent >= LONG_MS ? 'lost-long' : 'lost', facts));
  }

  // A new critical alarm is spoken at once, the rest together.
  announce(alarm) {
    const { words, house } = this.app;
    const text = `${words.t(`priority-${alarm.priority}`)}: ${words.pick(alarm.title)}, ${house.placeName(alarm.place)}`;
    if (alarm.priority === 1) { say(this.loud, text); return; }
    this.batch = [...(this.batch ?? []), text];
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => { say(this.calm, this.batch.join('. ')); this.batch = []; }, POLITE_MS);
  }
}
