// One EventSource that knows where it was, notices silence and opens itself again.
const SILENT_MS = 10_000;
const LONG_MS = 60_000;
const REOPEN_MS = 2_000; // after a 4xx or 5xx the browser gives up for good; we do not

class Stream {
  // on: {kind: (body) => void}; tell: (silent for ms) => void, each second and after each frame;
  // out: () => void when nobody is signed in any more
  constructor(on, tell, out) {
    Object.assign(this, { on, tell, out, row: null, points: [], heard: performance.now(), heardAt: Date.now() });
    this.watch = setInterval(() => this.check(), 1000);
  }

  // What the screen shows is what is subscribed; a screen that changes its mind twice opens once.
  want(points) {
    const same = points.length === this.points.length && points.every((point, i) => point === this.points[i]);
    if (same && this.source) return;
    this.points = points;
    clearTimeout(this.soon);
    if (!this.source) this.open();
    else this.soon = setTimeout(() => this.open(), 150);
  }

  // A new EventSource cannot send Last-Event-ID, so the row goes in the address. When the browser
  // reconnects by itself it sends the header, which the server prefers.
  open() {
    this.source?.close();
    const after = this.row === null ? '' : `&after=${this.row}`;
    const points = encodeURIComponent(this.points.join(','));
    this.source = new EventSource(`/api/v1/stream?points=${points}${after}`);
    this.opened = performance.now();
    for (const [kind, apply] of Object.entries(this.on)) {
      this.source.addEventListener(kind, ({ data, lastEventId }) => {
        this.heard = performance.now();
        this.heardAt = Date.now();
        const body = JSON.parse(data);
        apply(body);
        if (lastEventId) this.row = Number(lastEventId);
        this.tell(0);
      });
    }
  }

  async check() {
    const now = performance.now();
    this.tell(now - this.heard);
    if (!this.source) return;
    const over = this.source.readyState === EventSource.CLOSED;
    if (now - Math.max(this.heard, this.opened) < (over ? REOPEN_MS : SILENT_MS)) return;
    this.open();
    if (over && (await ask('me')).status === 401) this.out();
  }

  close() { clearInterval(this.watch); clearTimeout(this.soon); this.source?.close(); }
}
