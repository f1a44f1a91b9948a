// On every page: the three alarms that wait most, and a notice while alarms come as a flood.
const FLOOD_AGAIN_MS = 15_000;

class Banner {
  constructor(app) {
    this.app = app;
    this.flood = h('div', { class: 'flood', role: 'status', hidden: true });
    this.list = h('div', { class: 'ban-l' });
    this.more = h('button', { class: 'ban-n', type: 'button', onclick: () => app.go(app.data.nav.includes('alarms') ? 'alarms' : app.data.nav[0]) });
    this.root = h('section', { class: 'ban', hidden: true }, this.list, this.more);
    this.rows = new Rows(this.list, (alarm) => this.make(alarm), (row, alarm) => this.patch(row, alarm));
    this.told = { since: null, alarms: 0 };
  }

  make(alarm) {
    const { app } = this;
    const open = () => (app.data.nav.includes('alarms') ? app.go('alarms', { alarm: alarm.id }) : null);
    return h('div', { class: 'ba', 'data-id': alarm.id }, newMark(), h('button', { class: 'ba-t cut', type: 'button', onclick: open }), h('span', { class: 'ba-s' }),
      h('button', { class: 'btn sm', type: 'button', onclick: (event) => acknowledgeOne(app, alarm.id, event.currentTarget) }));
  }

  patch(row, alarm) {
    const { words, house } = this.app;
    const [picture, title, since, button] = row.children;
    put(row, 'class', `ba p${alarm.priority}`);
    mark(picture, alarm.priority, lifeMark(alarm), words);
    say(title, [words.pick(alarm.title), house.placeName(alarm.place)].filter((text, i, all) => text && (i === 0 || !all[0].includes(text))).join(' · '));
    say(since, words.span(words.now() - alarm.raised_at));
    say(button, words.t('ack-short'));
    put(button, 'aria-label', `${words.t('acknowledge')}: ${words.pick(alarm.title)}`);
  }

  paint() {
    const { app } = this;
    const { words, house } = app;
    const waiting = house.unacknowledged();
    const top = [...waiting].sort(byDanger).slice(0, 3);
    const desk = app.data.nav.includes('alarms');
    put(this.root, 'aria-label', words.t('banner'));
    show(this.root, desk && top.length > 0);
    this.rows.set(top);
    const shown = app.phone() ? 1 : top.length;
    show(this.more, waiting.length > shown);
    say(this.more, words.t('banner-more', { n: waiting.length - shown }));
    this.paintFlood();
    this.room();
  }

  // On a page of Streamlit the bars lie above its content: our own place in it grows by what the banner takes.
  room() {
    const native = this.app.box.classList.contains('native');
    const need = native ? this.root.offsetHeight + this.flood.offsetHeight : 0;
    const style = need ? `${need}px` : '';
    if (this.app.host.style.height !== style) this.app.host.style.height = style;
  }

  heard({ since }) { this.told = { ...this.told, since }; this.asked = 0; this.app.soon(); }

  async look() {
    this.asked = performance.now();
    const { status, body } = await ask('alarms/flood');
    if (status === 200) { this.told = body; this.app.soon(); }
  }

  paintFlood() {
    const { words } = this.app;
    const { since, alarms } = this.told;
    if (this.asked === undefined || (since && performance.now() - this.asked > FLOOD_AGAIN_MS)) this.look();
    show(this.flood, Boolean(since) && this.app.data.nav.includes('alarms'));
    if (since) say(this.flood, words.t('flood', { at: words.minute(since), n: words.number(alarms) }));
  }
}
