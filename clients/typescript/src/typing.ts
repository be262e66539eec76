/**
 * Who is typing where, and that one is typing oneself. A typist who vanishes never says that he stopped, so
 * each report expires here. Used by the rooms.
 */
import type { Environment } from "./env.js";

/** Typists repeat themselves every 3 s; twice that without a word means that they stopped. */
const EXPIRES_MS = 6_000;
/** How often one's own typing is told at most. */
const REPEAT_MS = 3_000;

/** The typists of one room, as last told. */
export class Typing {
  users: readonly string[] = [];
  more = 0;
  #timer: unknown;
  #toldAt = -Infinity;

  constructor(
    private readonly env: Environment,
    private readonly changed: () => void,
  ) {}

  /** The server's list replaces the one before. */
  set(users: readonly string[], more: number): void {
    this.env.clearTimeout(this.#timer);
    this.users = users;
    this.more = more;
    if (users.length > 0) this.#timer = this.env.setTimeout(() => this.set([], 0), EXPIRES_MS);
    this.changed();
  }

  /** Whose message has come is not typing it any more. */
  stopped(user: string): void {
    if (this.users.includes(user)) this.set(this.users.filter((other) => other !== user), this.more);
  }

  /** Whether to tell the server now that one is typing. */
  shouldTell(): boolean {
    const now = this.env.monotonic();
    if (now - this.#toldAt < REPEAT_MS) return false;
    this.#toldAt = now;
    return true;
  }

  /** One's message is sent: the next key is the beginning of another. */
  sent(): void {
    this.#toldAt = -Infinity;
  }

  close(): void {
    this.env.clearTimeout(this.#timer);
  }
}
