// The console of a run: steps by role with their limits, one timeline, who answered; or the plans to start.

class Emergency {
  constructor(app) {
    this.app = app;
    this.parts = { head: new RunHead(app), steps: new RunSteps(app), log: new RunLog(app), roles: new RunRoles(app), lift: new RunLive(app), calls: new RunCalls(app) };
    const { words } = app;
    this.others = h('span', { class: 'row' });
    this.runTabs = h('div', { class: 'etabs' });
    this.starts = new Starts(app);
    this.strip = h('div', { class: 'estrip' }, h('button', { class: 'link', type: 'button', onclick: () => app.go(app.data.nav[0]) }, `\u2190 ${words.t(`nav-${app.data.nav[0]}`)}`), this.others, this.runTabs, h('span', { class: 'grow' }), h('button', { class: 'btn sm', type: 'button', 'data-do': 'start', onclick: () => this.pick(null) }, words.t('start-plan')));
    this.main = h('div', { class: 'emain' }, this.parts.steps.root, h('div', { class: 'col' }, this.parts.log.root), h('div', { class: 'col' }, this.parts.lift.root, this.parts.roles.root, this.parts.calls.root));
    this.root = h('div', { class: 'console' }, this.parts.head.root, this.strip, this.main, this.starts.root);
  }

  enter({ run }) {
    this.wanted = run || undefined;
    this.starts.load();
  }

  place() { return this.wanted ? { run: this.wanted } : {}; }

  points() { return this.parts.lift.points(this.run()); }

  pick(id) {
    this.wanted = id;
    this.app.subscribe();
    this.app.soon();
  }

  // The one asked for, else the first open one; null: the list of plans.
  run() {
    const { house } = this.app;
    if (this.wanted === null) return null;
    return house.runs.get(this.wanted) ?? house.openRuns()[0] ?? null;
  }

  paint() {
    const { words, house } = this.app;
    const run = this.run();
    if (run?.id !== this.last) { this.last = run?.id; this.app.subscribe(); }
    const open = house.openRuns();
    show(this.main, Boolean(run));
    show(this.parts.head.root, Boolean(run));
    show(this.starts.root, !run);
    const own = new Set(run?.alarms ?? []);
    const rest = [1, 2, 3, 4].map((priority) => [priority, house.unacknowledged(priority).filter((alarm) => !own.has(alarm.id)).length]).filter(([, n]) => n);
    const text = JSON.stringify([rest, words.lang]);
    if (this.others.dataset.text !== text) swap(this.others, rest.length ? [h('span', {}, words.t('others-waiting')), ...rest.flatMap(([priority, n]) => [marked(priority, 'ack', words), h('b', {}, String(n))])] : [h('span', { class: 'dim' }, words.t('none-waiting'))]);
    this.others.dataset.text = text;
    const tabs = JSON.stringify([open.map((each) => [each.id, house.runName(each)]), run?.id]);
    if (this.runTabs.dataset.text !== tabs) swap(this.runTabs, open.length > 1 || (open.length && !run) ? open.map((each) => h('button', { class: `pill ${each.id === run?.id ? 'on' : ''}`, type: 'button', onclick: () => this.pick(each.id) }, house.runName(each))) : []);
    this.runTabs.dataset.text = tabs;
    if (run) for (const part of Object.values(this.parts)) part.paint(run);
    else this.starts.paint();
  }
}

class RunHead {
  constructor(app) {
    this.app = app;
    const { words } = app;
    this.title = h('h1');
    this.meta = h('div', { class: 'm' });
    this.levels = h('div', { class: 'gp' });
    this.since = h('div');
    this.watch = h('b');
    this.end = h('button', { class: 'btn f', type: 'button', 'data-do': 'end', onclick: () => this.finish(this.end.dataset.verb) });
    this.raise = h('button', { class: 'btn', type: 'button', onclick: () => this.level() }, words.t('raise-level'));
    this.abort = h('button', { class: 'btn', type: 'button', onclick: () => this.finish('abort') }, words.t('run-do-abort'));
    this.root = h('div', { class: 'ehd' }, octagon(), h('div', { class: 'grow' }, this.title, this.meta), h('div', { class: 'lvl' }, h('span', {}, words.t('level')), this.levels), h('div', { class: 'clk' }, this.since, this.watch), h('div', { class: 'do' }, this.end, this.raise, this.abort));
  }

  paint(run) {
    this.run = run;
    const { words, house } = this.app;
    say(this.title, house.runName(run));
    const boss = run.roles.find((role) => role.person);
    say(this.meta, [words.t(`run-${run.state}`), words.t(run.mode === 'exercise' ? 'is-drill' : 'is-real'), boss && `${words.pick(boss.name)} ${house.personName(boss.person)}`, run.plan_version && words.t('plan-version', { version: run.plan_version })].filter(Boolean).join(' · '));
    say(this.since, words.t('since-at', { at: words.moment(run.started_at) }));
    say(this.watch, words.stopwatch((run.ended_at ?? words.now()) - run.started_at));
    const levels = (run.levels ?? [{ key: run.level, name: run.level }]).map((level) => [level.key, words.pick(level.name)]);
    const text = JSON.stringify([levels, run.level]);
    if (this.levels.dataset.text !== text) swap(this.levels, levels.map(([key, name]) => h('span', { class: key === run.level ? 'on' : '', title: name }, key)));
    this.levels.dataset.text = text;
    this.root.classList.toggle('calm', !OPEN_RUN(run));
    const end = ['confirm', 'stable', 'close'].find((verb) => run.may.includes(verb));
    this.end.dataset.verb = end ?? '';
    say(this.end, end ? words.t(`run-do-${end}`) : '');
    show(this.end, Boolean(end));
    show(this.raise, run.may.includes('level') && levels.length > 1);
    show(this.abort, run.may.includes('abort') && end !== 'confirm');
  }

  level() {
    const { app, run } = this;
    const { words } = app;
    const pick = choices((run.levels ?? []).map((level) => [level.key, `${level.key} · ${words.pick(level.name)}`]), () => { window.ok.disabled = false; });
    const window = dialog(app, words.t('raise-level'), [pick.node], words.t('save'), () => app.do(`runs/${run.id}/level`, { level: pick.value }));
    window.ok.disabled = true;
  }

  finish(verb) {
    const { app, run } = this;
    const { words } = app;
    if (verb === 'confirm') return this.confirm();
    const note = h('textarea', { rows: 2, maxlength: 500, required: verb === 'abort' });
    const left = run.steps.filter((step) => step.life_safety && !['done', 'skipped'].includes(step.state)).length;
    const warning = left && verb !== 'abort' ? h('p', { class: 'chip p2', style: 'height:auto;white-space:normal;padding:.5rem' }, words.t('life-steps-open', { n: left })) : null;
    return dialog(app, words.t(`run-do-${verb}`), [warning, field(words.t(verb === 'abort' ? 'reason' : 'note'), note)], words.t(`run-do-${verb}`), () => app.do(`runs/${run.id}/${verb}`, { reason: note.value.trim(), note: note.value.trim() }));
  }

  // A warning is answered by who looked: real, or not.
  confirm() {
    const { app, run } = this;
    const { words } = app;
    const pick = choices([['yes', words.t('confirm-real')], ['no', words.t('confirm-false')]], () => { window.ok.disabled = false; });
    const window = dialog(app, words.t('confirm-ask'), [pick.node], words.t('save'), () => app.do(`runs/${run.id}/confirm`, { real: pick.value === 'yes' }));
    window.ok.disabled = true;
  }
}
