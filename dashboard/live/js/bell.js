// The sound of a critical alarm nobody has acknowledged: two tones, every two seconds, until someone does.
const TONES_HZ = [880, 660];
const EVERY_MS = 2000;

class Bell {
  constructor(changed) { Object.assign(this, { changed, context: null, needed: false }); }

  on() { return this.context?.state === 'running'; }

  // A browser plays nothing before a person has pressed something: this is called by a press.
  async start() {
    this.context ??= new AudioContext();
    this.context.onstatechange = () => this.changed();
    await this.context.resume().catch(() => null);
    if (this.on()) this.tone(TONES_HZ[1], 0, 0.08);
    this.changed();
  }

  async stop() {
    await this.context?.suspend();
    this.changed();
  }

  ring(needed) {
    if (needed === this.needed) return;
    this.needed = needed;
    clearInterval(this.beat);
    if (!needed) return;
    this.strike();
    this.beat = setInterval(() => this.strike(), EVERY_MS);
  }

  strike() {
    if (!this.on()) return;
    TONES_HZ.forEach((hertz, i) => this.tone(hertz, i * 0.28, 0.24));
  }

  tone(hertz, after, length) {
    const begin = this.context.currentTime + after;
    const gain = this.context.createGain();
    const wave = this.context.createOscillator();
    wave.frequency.value = hertz;
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(0.25, begin + 0.02);
    gain.gain.linearRampToValueAtTime(0, begin + length);
    wave.connect(gain).connect(this.context.destination);
    wave.start(begin);
    wave.stop(begin + length);
  }

  close() { clearInterval(this.beat); this.context?.close(); }
}
