/**
 * Timers that another tab keeps on time. A browser lets a hidden tab's timers ring once a second, later once a minute; a
 * message wakes it at once. The leader may be hidden while a follower is looked at, so each of the follower's messages
 * lets what is due ring. Used by the hub for its connection.
 */
import type { Environment } from "../env.js";

interface Timer {
  readonly due: number;
  readonly ring: () => void;
  readonly timer: unknown;
}

/** The environment's timers, with a second way to ring. */
export class PacedTimers {
  readonly #timers = new Set<Timer>();
  readonly environment: Environment;

  constructor(private readonly env: Environment) {
    this.environment = {
      ...env,
      setTimeout: (callback, ms) => this.#set(callback, ms),
      clearTimeout: (timer) => this.#clear(timer as Timer | undefined),
    };
  }

  /** Lets everything ring that is due. */
  tick(): void {
    const now = this.env.monotonic();
    for (const timer of [...this.#timers]) if (timer.due <= now && this.#timers.has(timer)) timer.ring();
  }

  #set(callback: () => void, ms: number): Timer {
    const ring = (): void => {
      this.#clear(timer);
      callback();
    };
    const timer: Timer = { due: this.env.monotonic() + ms, ring, timer: this.env.setTimeout(ring, ms) };
    this.#timers.add(timer);
    return timer;
  }

  #clear(timer: Timer | undefined): void {
    if (!timer) return;
    this.#timers.delete(timer);
    this.env.clearTimeout(timer.timer);
  }
}
