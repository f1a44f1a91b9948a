// Words, numbers and times as a person reads them (docs/screens.md). No text stands in the scripts.
const MINUTE = 60_000, HOUR = 3_600_000, DAY = 86_400_000;

class Words {
  constructor(texts, lang) { Object.assign(this, { texts, lang, zone: undefined, skew: 0 }); }

  now() { return Date.now() + this.skew; }

  // A text by its key. Facts may be both-language texts themselves.
  t(key, facts = {}) {
    const both = this.texts[key];
    if (!both) return key;
    return both[this.lang].replace(/\{(\w+)\}/g, (_, name) => this.pick(facts[name]));
  }

  has(key) { return key in this.texts; }

  // The word of a quality code; one nobody knows takes that of its third (docs/quality.md).
  quality(code) {
    const third = code < 64 ? 0 : code < 128 ? 64 : 128;
    return this.t(`quality.code-${this.has(`quality.code-${code}`) ? code : third}`);
  }

  pick(text) {
    if (text === null || text === undefined) return '';
    return typeof text === 'object' ? text[this.lang] ?? text.en ?? '' : String(text);
  }

  number(value, decimals = 0) {
    const [whole, rest] = Math.abs(value).toFixed(decimals).split('.');
    const text = whole.replace(/\B(?=(\d{3})+$)/g, ',') + (rest ? `.${rest}` : '');
    return value < 0 && Number(value.toFixed(decimals)) !== 0 ? `\u2212${text}` : text;
  }

  // 5:27 under ten minutes, then minutes, hours and minutes, days.
  span(ms) {
    const past = Math.max(0, ms);
    if (past < 10 * MINUTE) return `${Math.floor(past / MINUTE)}:${String(Math.floor(past / 1000) % 60).padStart(2, '0')}`;
    if (past < HOUR) return this.t('minutes', { n: Math.floor(past / MINUTE) });
    if (past < DAY) return this.t('hours', { h: Math.floor(past / HOUR), m: String(Math.floor(past / MINUTE) % 60).padStart(2, '0') });
    return this.t('days', { n: Math.floor(past / DAY) });
  }

  stopwatch(ms) {
    const all = Math.max(0, Math.floor(ms / 1000));
    const two = (n) => String(n).padStart(2, '0');
    const hours = Math.floor(all / 3600);
    return `${hours ? `${hours}:` : ''}${two(Math.floor(all / 60) % 60)}:${two(all % 60)}`;
  }

  format(options) {
    this.formats ??= new Map();
    const key = JSON.stringify([options, this.zone, this.lang]);
    if (!this.formats.has(key)) {
      const locale = options.weekday && this.lang === 'zh' ? 'zh-CN' : 'en-GB';
      this.formats.set(key, new Intl.DateTimeFormat(locale, { timeZone: this.zone, ...options }));
    }
    return this.formats.get(key);
  }

  clock(ms) { return this.format({ hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }).format(ms); }

  minute(ms) { return this.format({ hour: '2-digit', minute: '2-digit', hour12: false }).format(ms); }

  date(ms) { return this.format({ weekday: 'short', day: 'numeric', month: 'short' }).format(ms); }

  // The clock today, with the day before it when it was another day.
  moment(ms) {
    const day = (at) => this.format({ day: '2-digit', month: '2-digit' }).formatToParts(at).filter((p) => p.type !== 'literal').reverse().map((p) => p.value).join('-');
    return day(ms) === day(this.now()) ? this.clock(ms) : `${day(ms)} ${this.minute(ms)}`;
  }

  // Midnight of the site's day, Unix ms.
  midnight() {
    const [hours, minutes, seconds] = this.clock(this.now()).split(':').map(Number);
    return Math.floor(this.now() / 1000) * 1000 - ((hours % 24) * 3600 + minutes * 60 + seconds) * 1000;
  }
}
