// What a person may do with an order: buttons from `may`, and the questions some deeds ask first.
// First found is the main button of the screen.
const MAIN = ['accept', 'depart', 'arrive', 'start', 'resume', 'done', 'verify', 'close'];
const ASK_REASON = { decline: ['busy', 'far', 'skill', 'unsafe', 'other'], hold: ['part', 'access', 'customer', 'force-majeure'], reject: ['not-fixed', 'not-tidy', 'other'], cancel: ['false-alarm', 'already-done', 'other'] };
const ORDER_OF = [...MAIN, 'assign', 'decline', 'hold', 'reject', 'cancel'];

const mainDeed = (order) => MAIN.find((verb) => order.may.includes(verb)) ?? null;
const otherDeeds = (order) => ORDER_OF.filter((verb) => order.may.includes(verb) && verb !== mainDeed(order) && !(verb === 'close' && order.may.includes('verify')));

// Do it, after asking what it needs to know.
function deed(app, order, verb, button) {
  if (verb === 'assign') return askPerson(app, order);
  if (verb === 'done') return askFindings(app, order);
  if (verb in ASK_REASON) return askReason(app, order, verb);
  return app.do(`orders/${order.id}/${verb}`, { reason: '', note: '', cause: '', remedy: '' }, button);
}

// A small window above the view; Escape and the veil close it.
function dialog(app, title, parts, label, send) {
  const { words } = app;
  const before = app.host.shadowRoot?.activeElement ?? null;
  const shut = () => { veil.remove(); before?.focus?.(); };
  const ok = h('button', { class: 'btn pr', type: 'submit' }, label);
  const form = h('form', { class: 'dialog', role: 'dialog', 'aria-modal': 'true', 'aria-label': title }, h('h2', {}, title), parts,
    h('div', { class: 'end' }, h('button', { class: 'btn', type: 'button', onclick: () => shut() }, words.t('back')), ok));
  const veil = h('div', { class: 'veil', onclick: (event) => { if (event.target === veil) shut(); }, onkeydown: (event) => { if (event.key === 'Escape') shut(); event.stopPropagation(); } }, form);
  form.onsubmit = async (event) => {
    event.preventDefault();
    ok.disabled = true;
    const done = await send();
    ok.disabled = false;
    if (done) shut();
  };
  app.box.append(veil);
  (form.querySelector('input,textarea,.pick button') ?? ok).focus();
  return { ok, shut };
}

// Buttons of which one is chosen; `pick.value` is the chosen key.
function choices(options, chosen = () => {}) {
  const pick = { value: null };
  pick.node = h('div', { class: 'pick', role: 'radiogroup' }, options.map(([key, label]) => h('button', { type: 'button', role: 'radio', 'aria-checked': 'false', 'data-key': key, onclick: (event) => {
    pick.value = key;
    for (const each of pick.node.children) { each.classList.toggle('on', each === event.currentTarget); put(each, 'aria-checked', each === event.currentTarget); }
    chosen(key);
  } }, label)));
  return pick;
}
const field = (label, node) => h('label', { class: 'field' }, h('span', {}, label), node);

function askReason(app, order, verb) {
  const { words } = app;
  const note = h('textarea', { rows: 2, maxlength: 500 });
  const pick = choices(ASK_REASON[verb].map((key) => [key, words.t(`reason-${key}`)]), () => { window.ok.disabled = false; });
  const window = dialog(app, words.t(`ask-${verb}`), [pick.node, field(words.t('note'), note)], words.t(`do-${verb}`), () => app.do(`orders/${order.id}/${verb}`, { reason: verb === 'hold' ? pick.value : words.t(`reason-${pick.value}`), note: note.value.trim(), cause: '', remedy: '' }));
  window.ok.disabled = true;
}

function askFindings(app, order) {
  const { words } = app;
  const cause = h('input', { required: true, maxlength: 200 });
  const remedy = h('input', { required: true, maxlength: 200 });
  const note = h('textarea', { rows: 2, maxlength: 500 });
  dialog(app, words.t('ask-done'), [field(words.t('cause'), cause), field(words.t('remedy'), remedy), field(words.t('note'), note)], words.t('do-done'),
    () => app.do(`orders/${order.id}/done`, { reason: '', note: note.value.trim(), cause: cause.value.trim(), remedy: remedy.value.trim() }));
}

function askPerson(app, order) {
  const { words, house } = app;
  const load = (person) => house.openOrders().filter((each) => each.person === person.id).length;
  const fit = (person) => (person.skills ?? []).includes(order.skill);
  const people = house.people.filter((person) => person.roles.includes('technician')).sort((a, b) => Number(b.on_shift) - Number(a.on_shift) || Number(fit(b)) - Number(fit(a)) || load(a) - load(b));
  const say_ = (person) => [house.personName(person.id), words.t(person.on_shift ? 'on-shift' : 'off-shift'), words.t('orders-n', { n: load(person) }), skills(words, person)].filter(Boolean).join(' · ');
  const pick = choices(people.map((person) => [person.id, say_(person)]), () => { window.ok.disabled = false; });
  const window = dialog(app, words.t('ask-assign'), [h('p', { class: 'mid' }, words.pick(order.title)), pick.node], words.t('do-assign'), () => app.do(`orders/${order.id}/assign`, { person: pick.value }));
  window.ok.disabled = true;
}

const skills = (words, person) => (person.skills ?? []).map((skill) => (words.has(`skill-${skill}`) ? words.t(`skill-${skill}`) : skill)).join(words.t('comma'));
const initial = (name) => (name ?? '?').trim().slice(0, 1).toUpperCase();
