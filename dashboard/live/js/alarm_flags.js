// What holds an alarm back: said in a word in the list, with who and until in the detail; and the questions that set it.
const SHELF_MIN = [15, 30, 60, 120, 240, 480];
const WORK_MIN = [60, 120, 240, 480];
const END_OF = { shelved: 'unshelve', suppressed: 'unsuppress', out_of_service: 'return-to-service' };

// The flags that stand about an alarm.
function flagsOf(house, alarm) {
  const about = [`alarm:${alarm.rule}|${alarm.point}`, `point:${alarm.point}`, `unit:${alarm.unit}`, `unit:${String(alarm.point).split('/')[0]}`, `zone:${alarm.zone}`];
  return [...house.flags.values()].filter((flag) => about.includes(flag.subject));
}

function asideWords(app, alarm) {
  const kind = isTested(alarm) ? 'test' : alarm.flags?.[0];
  return kind ? app.words.t(`flags.kind-${kind}`) + (kind === 'shelved' && alarm.shelved_until ? ` ${app.words.minute(alarm.shelved_until)}` : '') : '';
}

function flagLine(app, alarm, flag) {
  const { words, house } = app;
  const until = flag.until ? words.t('flag-until', { at: words.moment(flag.until) }) : words.t('flag-open');
  const end = END_OF[flag.kind];
  const scope = flag.subject.startsWith('unit:') ? '?scope=unit' : '';
  return h('div', { class: 'flag', 'data-flag': flag.kind },
    h('div', { class: 'grow' }, h('b', {}, words.t(`flags.kind-${flag.kind}`)), ` · ${until} · ${house.personName(flag.by)}`, flag.reason && h('div', { class: 'mid' }, flag.reason)),
    end && h('button', { class: 'btn sm', type: 'button', onclick: (event) => app.do(`alarms/${alarm.id}/${end}${scope}`, {}, event.currentTarget) }, words.t(`do-${end}`)));
}

const minuteWords = (words, n) => (n < 60 ? words.t('n-minutes', { n }) : words.t('n-hours', { n: n / 60 }));

// Chips for how long; one is chosen from the start.
function terms(words, minutes, chosen) {
  const pick = choices(minutes.map((n) => [n, minuteWords(words, n)]));
  pick.node.classList.add('terms');
  put(pick.node, 'aria-label', words.t('how-long'));
  [...pick.node.children][minutes.indexOf(chosen)].click();
  return pick;
}

// A life-safety alarm is not shelved: the window says so, and what can be done instead.
function refuseShelf(app, alarm) {
  const { words } = app;
  dialog(app, words.t('shelve-not'), [h('p', { class: 'semi' }, words.pick(alarm.title)), h('p', {}, words.t('shelve-refused'))], words.t('understood'), () => true);
}

function askShelve(app, alarm) {
  const { words } = app;
  if (isVital(alarm)) { refuseShelf(app, alarm); return; }
  const term = terms(words, SHELF_MIN, 60);
  const reason = h('input', { required: true, maxlength: 500, name: 'reason' });
  const once = h('input', { type: 'checkbox', name: 'one_shot' });
  dialog(app, words.t('shelve-ask'), [h('p', { class: 'semi' }, words.pick(alarm.title)), h('p', { class: 'mid' }, words.t('shelve-what')), term.node, field(words.t('reason'), reason), h('label', { class: 'tick' }, once, words.t('shelve-once'))], words.t('shelve'),
    () => app.do(`alarms/${alarm.id}/shelve`, { minutes: term.value, reason: reason.value.trim(), one_shot: once.checked }));
}

function askOut(app, alarm) {
  const { words, house } = app;
  const term = terms(words, isVital(alarm) ? WORK_MIN.slice(0, 3) : WORK_MIN, 120);
  const scope = choices([['point', words.t('scope-point')], ['unit', words.t('scope-unit', { unit: house.unitName(alarm.unit) })]]);
  scope.node.firstChild.click();
  const reason = h('input', { required: true, maxlength: 500, name: 'reason' });
  const permit = h('input', { maxlength: 80, name: 'permit', required: isVital(alarm) });
  dialog(app, words.t('out-ask'), [h('p', { class: 'semi' }, words.pick(alarm.title)), h('p', { class: 'mid' }, words.t('out-what')), scope.node, term.node, field(words.t('reason'), reason), field(words.t('permit'), permit)], words.t('out-of-service'),
    () => app.do(`alarms/${alarm.id}/out-of-service`, { scope: scope.value, minutes: term.value, reason: reason.value.trim(), permit: permit.value.trim() }));
}
