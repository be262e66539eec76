// The time as a reactive value. It ticks only as fast as somebody needs it to.

/** A ticking clock; set `everyMs` to make it faster or slower. */
export class Clock {
  now = $state(Date.now());
  #timer: ReturnType<typeof setInterval> | undefined;
  #everyMs = 0;

  /** Ticks at this pace from now on; 0 stops it. */
  tick(everyMs: number): void {
    if (everyMs === this.#everyMs) return;
    clearInterval(this.#timer);
    this.#everyMs = everyMs;
    this.now = Date.now();
    this.#timer = everyMs > 0 ? setInterval(() => { this.now = Date.now(); }, everyMs) : undefined;
  }
}
