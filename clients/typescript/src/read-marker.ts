/**
 * Tells the server how far one has read: at once after a pause, then at most once a second, the last one wins.
 * Used by a room's handle.
 */
import type { Environment } from "./env.js";

/** Scrolling through a room moves the marker at every row; others need not see each step. */
const PAUSE_MS = 1_000;

/** One room's marker on its way to the server. */
export class ReadMarker {
  #wanted = 0;
  #told = 0;
  #timer: unknown;

  constructor(
    private readonly env: Environment,
    /** False when there is no connection. */
    private readonly tell: (seq: number) => boolean,
  ) {}

  move(seq: number): void {
    this.#wanted = Math.max(this.#wanted, seq);
    if (this.#timer === undefined) this.#flush();
  }

  /** A connection is there: what the server may not have heard is told again. */
  live(): void {
    this.#told = 0;
    if (this.#timer === undefined) this.#flush();
  }

  /** The room is not one's own any more. */
  clear(): void {
    this.#wanted = this.#told = 0;
  }

  #flush(): void {
    this.#timer = undefined;
    if (this.#wanted <= this.#told || !this.tell(this.#wanted)) return;
    this.#told = this.#wanted;
    this.#timer = this.env.setTimeout(() => this.#flush(), PAUSE_MS);
  }
}
