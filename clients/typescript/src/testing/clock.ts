/**
 * Time for tests: a clock that stands still until `advance`, and one that is the machine's own. Nothing here sleeps.
 * Used by the test server and, through its environment, by the clients.
 */

/** Where the test server and its clients get the time and their timers from. */
export interface Clock {
  /** Wall clock, ms since 1970. */
  now(): number;
  /** Never jumps, ms. */
  monotonic(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** Kept from before a test replaces the global ones. */
const { setTimeout: timeout, clearTimeout: clear, MessageChannel: Channel } = globalThis;
const { setImmediate: immediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };

/** Ends the present turn of the event loop, so that promises settle. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (immediate) return void immediate(resolve);
    const channel = new Channel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(null);
  });
}

/** A clock that is moved by hand. */
export class FakeClock implements Clock {
  #time = 0;
  #jumped = 0;
  #timers: Timer[] = [];

  /** `start`: the wall clock at the beginning. `turns`: of the event loop in which promises settle between two timers. */
  constructor(
    private readonly start = 1_795_377_137_000,
    private readonly turns = 2,
  ) {}

  now(): number {
    return this.start + this.#time + this.#jumped;
  }

  monotonic(): number {
    return this.#time;
  }

  setTimeout(callback: () => void, ms: number): unknown {
    const timer = { due: this.#time + Math.max(0, ms), callback };
    // Behind all that are due no later: timers ring in the order of their times, then of their setting.
    const place = this.#timers.findLastIndex(({ due }) => due <= timer.due);
    this.#timers.splice(place + 1, 0, timer);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    const place = this.#timers.indexOf(timer as Timer);
    if (place >= 0) this.#timers.splice(place, 1);
  }

  /** Lets promises settle; time stands still. */
  async settle(): Promise<void> {
    for (let count = 0; count < this.turns; count++) await turn();
  }

  /** Lets so much time pass: each timer rings at its time, and promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#time + ms;
    await this.settle();
    for (let next = this.#timers[0]; next && next.due <= end; next = this.#timers[0]) {
      this.#timers.shift();
      this.#time = Math.max(this.#time, next.due);
      next.callback();
      await this.settle();
    }
    this.#time = end;
  }

  /** Somebody sets the wall clock; no timer rings earlier or later for it. */
  jump(ms: number): void {
    this.#jumped += ms;
  }
}

/** The machine's own clock: for a page that is looked at, such as a storybook's. */
export function realClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    setTimeout: (callback, ms) => timeout(callback, ms),
    clearTimeout: (timer) => clear(timer as number),
  };
}
