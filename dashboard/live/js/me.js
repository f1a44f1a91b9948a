// Me: language, sound, messages, how the house is connected, the other screens of a phone, sign out.
class Me {
  constructor(app) {
    this.app = app;
    const { words, data } = app;
    const language = (key, name) => h('button', { type: 'button', class: words.lang === key ? 'on' : '', 'aria-pressed': words.lang === key, onclick: () => app.turn(key) }, name);
    this.sound = h('button', { class: 'btn', type: 'button', onclick: () => (app.bell.on() ? app.bell.stop() : app.bell.start()) });
    this.name = h('h1');
    this.list = h('div');
    this.messages = [];
    this.edges = h('div');
    this.more = data.nav.filter((view) => view !== 'me').map((view) => h('button', { class: 'lg-row', type: 'button', style: 'width:100%;text-align:left', onclick: () => app.go(view) }, h('span', {}, words.t(`nav-${view}`)), h('span', { class: 'dim' }, '\u203a')));
    this.root = h('div', { class: 'phone' },
      h('header', { class: 'hd' }, h('div', { class: 'grow' }, this.name, h('div', { class: 'm' }, data.me.roles.map((role) => words.t(`role-${role}`)).join(words.t('comma'))))),
      h('div', { class: 'bdy' },
        h('div', { class: 'card' },
          h('div', { class: 'lg-row' }, h('span', {}, words.t('language')), h('div', { class: 'seg' }, language('zh', '中文'), language('en', 'English'))),
          h('div', { class: 'lg-row' }, h('span', {}, words.t('sound')), this.sound),
          h('div', { class: 'lg-row' }, h('span', {}, words.t('theme')), h('span', { class: 'dim' }, words.t('theme-follows')))),
        h('div', { class: 'sec' }, h('span', {}, words.t('messages'))), h('div', { class: 'card' }, this.list),
        h('div', { class: 'sec' }, h('span', {}, words.t('screens'))), h('div', { class: 'card' }, this.more),
        h('div', { class: 'sec' }, h('span', {}, words.t('connection'))), h('div', { class: 'card' }, this.edges),
        h('button', { class: 'btn lg', type: 'button', 'data-do': 'sign-out', onclick: () => app.leave() }, words.t('sign-out'))));
  }

  enter() { this.reload(); }

  async reload() {
    const [inbox, health] = await Promise.all([ask('inbox'), ask('health')]);
    if (inbox.status === 200) this.messages = inbox.body.toSorted((a, b) => b.at - a.at);
    if (health.status === 200) this.app.house.health = health.body;
    this.app.soon();
  }

  paint() {
    const { words, bell, house, data } = this.app;
    say(this.name, house.people.some((person) => person.id === data.me.id) ? house.personName(data.me.id) : data.me.name);
    say(this.sound, words.t(bell.on() ? 'sound-stop' : 'sound-start'));
    const shown = this.messages.slice(0, 20);
    const text = JSON.stringify([shown, words.lang]);
    if (this.list.dataset.text !== text) swap(this.list, shown.length ? shown.map((message) => this.row(message)) : [h('p', { class: 'hint' }, words.t('no-messages'))]);
    this.list.dataset.text = text;
    const edges = Object.entries(house.health?.edges ?? {});
    const version = house.health?.version;
    const lines = [...edges.map(([id, edge]) => [id, `${words.has(`edge-${edge.state}`) ? words.t(`edge-${edge.state}`) : edge.state} · ${words.span((edge.age_s ?? 0) * 1000)}`]), version && [words.t('version'), version]].filter(Boolean);
    const all = JSON.stringify(lines);
    if (this.edges.dataset.text !== all) swap(this.edges, lines.map(([name, value]) => h('div', { class: 'lg-row' }, h('span', {}, name), h('span', { class: 'dim' }, value))));
    this.edges.dataset.text = all;
  }

  row(message) {
    const { words } = this.app;
    return h('button', { class: 'lg-row', type: 'button', style: 'width:100%;text-align:left', onclick: () => this.read(message) },
      h('span', { class: 'grow' }, h('span', { class: message.read_at ? '' : 'semi' }, words.pick(message.title)), h('br'), h('span', { class: 'dim', style: 'font-size:var(--fs-sm)' }, words.pick(message.text))), h('span', { class: 'dim', style: 'font-size:var(--fs-sm)' }, words.moment(message.at)));
  }

  // Reading a message marks it and leads to what it is about.
  async read(message) {
    if (!message.read_at) await this.app.do(`inbox/${message.id}/read`);
    const { nav } = this.app.data;
    if (message.subject.startsWith('ord_')) this.app.go(nav.includes('orders') ? 'orders' : 'mine', { order: message.subject });
    else if (message.subject.startsWith('alm_')) this.app.go('alarms', { alarm: message.subject });
    else if (message.subject.startsWith('run_')) this.app.go('emergency', { run: message.subject });
    else this.reload();
  }
}
