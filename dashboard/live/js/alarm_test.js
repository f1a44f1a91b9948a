// Test mode: a contractor sets alarms off on purpose. Begun here, counted live, ended here or by itself.
const TEST_MIN = [30, 60, 120, 240];

class TestBar {
  constructor(app) {
    this.app = app;
    this.root = h('div', { class: 'tests', role: 'status', hidden: true });
    this.rows = new Rows(this.root, (flag) => this.make(flag), (row, flag) => this.patch(row, flag));
  }

  make(flag) {
    const { app } = this;
    return h('div', { class: 'tb', 'data-flag': flag.id }, h('span', { class: 'chip' }), h('b', { class: 'cut' }), h('span', { class: 'of' }), h('progress', { max: 1 }), h('span', { class: 'left cut' }), h('span', { class: 'grow' }),
      h('button', { class: 'btn', type: 'button', onclick: () => showTest(app, flag.id) }));
  }

  patch(row, flag) {
    const { words, house } = this.app;
    const [chip, name, count, bar, left, , button] = row.children;
    say(chip, words.t('flags.kind-test'));
    say(name, words.pick(flag.name));
    say(count, words.t('tested', { done: flag.tested, all: flag.total }));
    put(bar, 'max', Math.max(1, flag.total));
    put(bar, 'value', flag.tested);
    put(bar, 'aria-label', count.textContent);
    say(left, [flag.company, house.personName(flag.by), flag.until && words.t('left', { span: words.span(flag.until - words.now()) })].filter(Boolean).join(' · '));
    say(button, words.t('test-open'));
  }

  paint() {
    const { app } = this;
    const tests = [...app.house.flags.values()].filter((flag) => flag.kind === 'test').sort((a, b) => b.since - a.since);
    show(this.root, tests.length > 0 && ['overview', 'alarms'].includes(app.view));
    this.rows.set(tests);
  }
}

// What was set off and what not yet; ended from here.
async function showTest(app, id) {
  const { words, house } = app;
  const { status, body } = await ask(`alarms/test-modes/${id}`);
  if (status !== 200) { app.toast(words.t('not-delivered')); return; }
  const name = (point) => words.pick(house.points?.get(point)?.name) || point;
  const lines = (points) => h('ul', { class: 'names tall' }, points.map((point) => h('li', {}, h('span', {}, name(point)), h('span', { class: 'dim' }, ` ${point}`))));
  dialog(app, `${words.t('flags.kind-test')} · ${words.pick(body.name)}`, [
    h('p', { class: 'semi' }, words.t('tested', { done: body.tested, all: body.total })),
    h('p', { class: 'mid' }, [body.company, house.personName(body.by), body.reason].filter(Boolean).join(' · ')),
    h('p', { class: 'semi' }, words.t(body.missing.length ? 'test-missing' : 'test-all', { n: body.missing.length })), body.missing.length ? lines(body.missing) : '',
  ], words.t('test-end'), () => app.do(`alarms/test-modes/${id}/end`));
}

function beginTest(app) {
  const { words, house } = app;
  const zones = [...(house.zones?.values() ?? [])].map((zone) => [`zone:${zone.id}`, `${words.pick(zone.name)} · ${house.placeName(zone.place)}`]);
  const units = [...(house.units?.values() ?? [])].map((unit) => [`unit:${unit.id}`, words.pick(unit.name)]);
  const group = (key, list) => h('optgroup', { label: words.t(key) }, list.map(([value, label]) => h('option', { value }, label)));
  const where = h('select', { name: 'where', required: true }, h('option', { value: '' }, words.t('test-choose')), group('test-zones', zones), group('test-units', units));
  const company = h('input', { name: 'company', maxlength: 120, required: true });
  const reason = h('input', { name: 'reason', maxlength: 500, required: true });
  const term = terms(words, TEST_MIN, 60);
  dialog(app, words.t('test-ask'), [h('p', { class: 'mid' }, words.t('test-what')), field(words.t('test-where'), where), field(words.t('company'), company), term.node, field(words.t('reason'), reason)], words.t('test-begin'), () => {
    const [kind, id] = [where.value.slice(0, 4), where.value.slice(5)];
    return app.do('alarms/test-modes', { [kind]: id, company: company.value.trim(), minutes: term.value, reason: reason.value.trim() });
  });
}
