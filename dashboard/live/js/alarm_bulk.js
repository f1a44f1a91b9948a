// Several alarms at once: picked one by one or with Shift, acknowledged after a look at what is left out.
const AT_ONCE = 200; // the server takes so many in one request
const NAMED = 6;

class Bulk {
  constructor(app, changed) {
    const { words } = app;
    Object.assign(this, { app, changed, ids: new Set() });
    this.what = h('span', { class: 'grow', role: 'status' });
    this.bar = h('div', { class: 'bulk', hidden: true }, this.what,
      h('button', { class: 'btn', type: 'button', onclick: () => this.clear() }, words.t('bulk-none')),
      h('button', { class: 'btn pr', type: 'button', onclick: () => this.ask() }, words.t('acknowledge')));
  }

  get size() { return this.ids.size; }

  has(id) { return this.ids.has(id); }

  toggle(id) { if (!this.ids.delete(id)) this.ids.add(id); this.changed(); }

  clear() {
    const any = this.size > 0;
    this.ids.clear();
    if (any) this.changed();
    return any;
  }

  // All rows from one to another, both with them.
  span(items, from, to) {
    const places = [from, to].map((id) => items.findIndex((alarm) => alarm.id === id)).filter((at) => at >= 0);
    for (const alarm of items.slice(Math.min(...places), Math.max(...places) + 1)) this.ids.add(alarm.id);
    this.changed();
  }

  // Those picked that still wait for a person.
  waiting() { return [...this.ids].map((id) => this.app.house.alarms.get(id)).filter((alarm) => alarm && mayAcknowledge(alarm)); }

  paint() {
    for (const id of this.ids) if (!this.app.house.alarms.has(id)) this.ids.delete(id);
    show(this.bar, this.size > 0);
    say(this.what, this.app.words.t('bulk-picked', { n: this.size }));
  }

  ask() {
    const { app } = this;
    const { words } = app;
    const waiting = this.waiting();
    const [vital, rest] = [waiting.filter(isVital), waiting.filter((alarm) => !isVital(alarm))];
    const names = (list) => h('ul', { class: 'names' }, list.slice(0, NAMED).map((alarm) => h('li', { class: 'row' }, marked(alarm.priority, lifeMark(alarm), words), h('span', {}, words.pick(alarm.title)))), list.length > NAMED && h('li', { class: 'dim' }, words.t('and-more', { n: list.length - NAMED })));
    const parts = [
      h('p', {}, words.t('bulk-what', { n: rest.length })), rest.length && names(rest),
      vital.length && h('div', { class: 'left-out' }, h('p', { class: 'semi' }, words.t('bulk-left-out', { n: vital.length })), names(vital)),
    ].filter(Boolean);
    const window = dialog(app, words.t('bulk-ask'), parts, words.t('bulk-do', { n: rest.length }), () => this.send(rest.map((alarm) => alarm.id)));
    window.ok.disabled = !rest.length;
  }

  async send(ids) {
    const { app } = this;
    const answers = [];
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const found = await app.do('alarms/acknowledge', { ids: ids.slice(at, at + AT_ONCE) });
      if (!found) return null;
      answers.push(...found);
    }
    const not = answers.filter((each) => !each.ok);
    app.toast(app.words.t(not.length ? 'bulk-done-but' : 'bulk-done', { n: answers.length - not.length, not: not.length, why: not.length ? app.why({ status: 409, body: told(app, not[0]) }) : '' }));
    this.clear();
    return true;
  }
}

// The words of a refusal name people and states as a reader knows them.
const told = (app, body) => ({ ...body, by: app.house.personName(body?.by), state: app.words.has(`alarms.state-${body?.state}`) ? app.words.t(`alarms.state-${body.state}`) : body?.state });

// Acknowledge one; when somebody was first, say who and by how much.
async function acknowledgeOne(app, id, button) {
  if (button) button.disabled = true;
  const answer = await post(`alarms/${id}/acknowledge`);
  if (button) button.disabled = false;
  if (answer.status >= 200 && answer.status < 300) return true;
  const { words, house } = app;
  if (answer.status === 409 && answer.body?.by) {
    const seen = await ask(`alarms/${id}`);
    const at = seen.body?.acknowledged_at ?? house.alarms.get(id)?.acknowledged_at;
    const by = house.personName(answer.body.by);
    app.toast(at ? words.t('ack-first', { by, span: aWhile(words, words.now() - at) }) : words.t('ack-first-some', { by }));
  } else if (answer.status === 401) location.reload();
  else app.toast(app.why({ ...answer, body: told(app, answer.body) }));
  return null;
}
const aWhile = (words, ms) => (ms < MINUTE ? words.t('seconds', { n: Math.max(1, Math.round(ms / 1000)) }) : words.span(ms));
