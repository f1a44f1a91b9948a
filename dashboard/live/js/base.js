// Building and patching the page: textContent and attributes only, never markup from data.
const SVG = 'http://www.w3.org/2000/svg';

function dress(node, attrs, children) {
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
const h = (tag, attrs, ...children) => dress(document.createElement(tag), attrs, children);
const g = (tag, attrs, ...children) => dress(document.createElementNS(SVG, tag), attrs, children);
const say = (node, text) => { if (node.textContent !== String(text)) node.textContent = text; };
const put = (node, name, value) => {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
};
const show = (node, on) => { node.toggleAttribute('hidden', !on); };
const swap = (node, ...children) => node.replaceChildren(...children.flat().filter(Boolean));

// A list patched by key. It never moves under a finger: while a pointer is down in it, or a mouse
// has just moved over one of its buttons, rows are repainted but none is added, moved or removed.
const HOVER_MS = 3000;
class Rows {
  constructor(list, make, paint, key = (item) => item.id) {
    Object.assign(this, { list, make, paint, key, rows: new Map(), items: [], down: false, over: 0 });
    list.addEventListener('pointerdown', () => { this.down = true; });
    for (const kind of ['pointerup', 'pointercancel']) {
      window.addEventListener(kind, () => { if (this.down) { this.down = false; setTimeout(() => this.settle(), 60); } });
    }
    list.addEventListener('pointermove', (event) => {
      const button = event.pointerType === 'mouse' && event.target.closest?.('button');
      this.over = button ? performance.now() : 0;
    });
    list.addEventListener('pointerleave', () => { this.over = 0; this.settle(); });
  }

  held() { return this.down || performance.now() - this.over < HOVER_MS && this.over > 0; }

  set(items) { this.items = items; this.settle(); }

  settle() {
    for (const item of this.items) {
      const row = this.rows.get(this.key(item));
      if (row) this.paint(row, item);
    }
    if (this.held()) return;
    const wanted = new Set(this.items.map(this.key));
    for (const [key, row] of this.rows) if (!wanted.has(key)) { row.remove(); this.rows.delete(key); }
    let place = this.list.firstElementChild;
    for (const item of this.items) {
      let row = this.rows.get(this.key(item));
      if (!row) {
        row = this.make(item);
        this.rows.set(this.key(item), row);
        this.paint(row, item);
      }
      if (row === place) place = place.nextElementSibling;
      else this.list.insertBefore(row, place);
    }
  }

  waiting() { return this.items.filter((item) => !this.rows.has(this.key(item))); }
}

// Talking to the server: same origin, with the cookie, and with the token a foreign page cannot read.
const cookie = (name) => document.cookie.match(`(?:^|; )${name}=([^;]*)`)?.[1] ?? '';
const ANSWER_MS = 8000;

// {status, body}; status 0 when no answer came.
async function call(path, options = {}) {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const answer = await fetch(path, { credentials: 'same-origin', signal, ...options }).catch(() => null);
  if (!answer) return { status: 0, body: null };
  const body = await answer.json().catch(() => null);
  return { status: answer.status, body, date: Date.parse(answer.headers.get('date')) };
}
const ask = (path) => call(`/api/v1/${path}`);
const post = (path, body = {}) => call(`/api/v1/${path}`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', 'X-CSRF': cookie('wk_csrf') },
  body: JSON.stringify(body),
});

// Light or dark by what the page really shows: Streamlit does not rerun when the browser changes.
function follow(host) {
  const text = getComputedStyle(host).getPropertyValue('--st-background-color').trim();
  const rgb = /^#[0-9a-f]{6}/i.test(text) ? text.slice(1).match(/../g).map((two) => parseInt(two, 16)) : (text.match(/\d+/g) ?? [255, 255, 255]).map(Number);
  const light = (0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]) / 255;
  put(host, 'data-theme', light < 0.5 ? 'dark' : 'light');
}
