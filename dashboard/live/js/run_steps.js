// The steps of a run: verb first, owner, time against limit; what can be done now carries its buttons.
class RunSteps {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.done = h('span', { class: 'meta' });
    this.list = h('div', { class: 'steps' });
    this.rows = new Rows(this.list, () => this.make(), (row, step) => this.patch(row, step), (step) => step.key);
    this.root = h('section', { class: 'panel' }, h('div', { class: 'ph' }, h('h2', {}, words.t('steps')), this.done, h('span', { class: 'meta end' }, words.t('steps-what'))), this.list);
  }

  make() {
    return h('div', { class: 'st' }, h('div', { class: 'n' }), h('div', {}, h('div', { class: 't' }), h('div', { class: 'd' }), h('div', { class: 'act' })), h('div', { class: 'w' }, h('div'), h('div', { class: 'dim', style: 'font-size:var(--fs-xs);line-height:1.2' })), h('div', { class: 'e' }, h('b'), h('span', { class: 'dim' })));
  }

  paint(run) {
    this.run = run;
    const done = run.steps.filter((step) => ['done', 'skipped'].includes(step.state)).length;
    say(this.done, this.app.words.t('steps-done', { done, all: run.steps.length }));
    const before = this.current;
    this.current = run.steps.find((step) => ['doing', 'ready'].includes(step.state))?.key;
    this.rows.set(run.steps);
    if (this.current !== before) this.rows.rows.get(this.current)?.scrollIntoView?.({ block: 'nearest' });
  }

  patch(row, step) {
    const { words, house } = this.app;
    const number = this.run.steps.findIndex((each) => each.key === step.key) + 1;
    put(row, 'class', `st ${step.state} ${step.overdue ? 'late' : ''}`);
    put(row, 'data-step', step.key);
    say(row.children[0], { done: '\u2713', failed: '\u00d7', skipped: '\u2013' }[step.state] ?? number);
    const [title, note, act] = row.children[1].children;
    const life = step.life_safety && ['ready', 'doing', 'failed'].includes(step.state);
    if (title.dataset.text !== `${words.pick(step.text)}${life}`) swap(title, words.pick(step.text), life && h('span', { class: 'ls' }, words.t('life-safety')));
    title.dataset.text = `${words.pick(step.text)}${life}`;
    const by = step.by ? house.personName(step.by) : '';
    const how = ['ready', 'doing'].includes(step.state) ? words.pick(step.note) : words.pick(step.said);
    say(note, [how, step.state !== 'waiting' && words.t(`step-is-${step.state}`), by, (step.ended_at || step.started_at) && words.moment(step.ended_at ?? step.started_at)].filter(Boolean).join(' · '));
    const [role, person] = row.children[2].children;
    say(role, words.pick(step.owner_name) || step.owner);
    say(person, this.answering(step));
    this.time(row.children[3], step);
    this.buttons(act, step);
  }

  // Who plays the step's role, once somebody does.
  answering(step) {
    const role = this.run.roles.find((each) => each.key === step.owner);
    return role?.person ? this.app.house.personName(role.person) : step.person_name ?? '';
  }

  time(cell, step) {
    const [figure, rest] = cell.children;
    const { words } = this.app;
    if (step.state === 'done' && step.started_at) { say(figure, ''); say(rest, words.span(step.ended_at - step.started_at)); return; }
    if (!step.due_at || ['done', 'skipped'].includes(step.state)) { say(figure, ''); say(rest, ''); return; }
    const left = step.due_at - words.now();
    if (step.state === 'waiting') { say(figure, ''); say(rest, words.t('by', { at: words.minute(step.due_at) })); return; }
    say(figure, left < 0 ? words.t('over', { span: words.span(-left) }) : words.span(left));
    say(rest, left < 0 ? '' : ` ${words.t('left-word')}`);
  }

  buttons(act, step) {
    const open = ['ready', 'doing', 'failed'].includes(step.state) && OPEN_RUN(this.run);
    const key = open ? step.state : '';
    show(act, open);
    if (act.dataset.text === key + this.app.words.lang) return;
    act.dataset.text = key + this.app.words.lang;
    const { words } = this.app;
    const button = (verb, css) => h('button', { class: `btn ${css}`, type: 'button', 'data-deed': verb, onclick: (event) => this.deed(step.key, verb, event.currentTarget) }, words.t(`step-do-${verb}`));
    swap(act, open ? [step.state === 'ready' ? button('begin', '') : null, button('done', 'pr'), button('fail', ''), step.skippable === false ? null : button('skip', '')] : []);
  }

  deed(key, verb, button) {
    const { app, run } = this;
    const path = `runs/${run.id}/steps/${key}/${verb}`;
    const { words } = app;
    const needed = verb === 'done' ? run.steps.find((step) => step.key === key).evidence ?? [] : [];
    if (verb === 'begin' || (verb === 'done' && !needed.length)) return app.do(path, { reason: '', note: '' }, button);
    const reason = h('input', { required: verb !== 'done' || needed.includes('note'), maxlength: 200 });
    const count = ['found', 'missing'].map((name) => h('input', { type: 'number', min: 0, required: true, inputmode: 'numeric', name }));
    const parts = [...(needed.includes('headcount') ? count.map((node) => field(words.t(`count-${node.name}`), node)) : []), field(words.t(verb === 'done' ? 'note' : 'reason'), reason)];
    const body = () => ({ reason: verb === 'done' ? '' : reason.value.trim(), note: verb === 'done' ? reason.value.trim() : '', ...(needed.includes('headcount') ? { headcount: { found: Number(count[0].value), missing: Number(count[1].value) } } : {}) });
    return dialog(app, words.t(`ask-step-${verb}`), parts, words.t(`step-do-${verb}`), () => app.do(path, body()));
  }
}
