/**
 * Notices a connection that is dead without saying so. Any frame is a sign of life; silence leads to a
 * ping, and a ping without an answer within 3 s, or silence of `timeoutMs`, to `dead`. Used by the connection.
 */
import type { Environment } from "./env.js";

/** A ping is answered without touching the store: 3 s is an age on any network that people would call up. */
const PROBE_MS = 3_000;
/** A command is answered after a commit. No frame at all within this time makes us ask. */
const ANSWER_MS = 4_000;
/** The server pings every interval; this much later it is overdue. */
const OVERDUE_MS = 3_000;

/** One for each live connection. */
export class Watchdog {
  #heardAt = 0;
  #waitingSince = Infinity;
  #probedAt = Infinity;
  #timer: unknown;
  #due = Infinity;

  constructor(
    private readonly env: Environment,
    private readonly keepalive: { readonly interval_ms: number; readonly timeout_ms: number },
    private readonly ping: () => void,
    private readonly dead: (reason: string) => void,
  ) {
    this.heard();
    this.#arm();
  }

  /** Any frame came. */
  heard(): void {
    this.#heardAt = this.env.monotonic();
    this.#waitingSince = this.#probedAt = Infinity;
  }

  /** Something was sent that the server answers. */
  expectAnswer(): void {
    this.#waitingSince = Math.min(this.#waitingSince, this.env.monotonic());
    this.#arm();
  }

  /** Asks now: the network changed, the tab became visible, or a person asked. */
  probe(): void {
    if (this.#probedAt < Infinity) return;
    this.#probedAt = this.env.monotonic();
    this.ping();
    this.#arm();
  }

  stop(): void {
    this.env.clearTimeout(this.#timer);
    this.#due = -Infinity;
  }

  #deadline(): number {
    if (this.#probedAt < Infinity) return this.#probedAt + PROBE_MS;
    const { interval_ms, timeout_ms } = this.keepalive;
    return Math.min(this.#heardAt + Math.min(interval_ms + OVERDUE_MS, timeout_ms), this.#waitingSince + ANSWER_MS);
  }

  /** One timer, set again only when it must ring earlier: a frame costs no timer. */
  #arm(): void {
    const deadline = this.#deadline();
    if (deadline >= this.#due) return;
    this.env.clearTimeout(this.#timer);
    this.#due = deadline;
    this.#timer = this.env.setTimeout(this.#ring, Math.max(0, deadline - this.env.monotonic()));
  }

  readonly #ring = (): void => {
    this.#due = Infinity;
    const now = this.env.monotonic();
    if (now < this.#deadline()) return this.#arm();
    if (this.#probedAt < Infinity) return this.dead("no answer");
    if (now - this.#heardAt >= this.keepalive.timeout_ms) return this.dead("silence");
    this.probe();
  };
}
