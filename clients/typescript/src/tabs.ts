/**
 * Which tab may send what. Each tab holds a lock under its own name for as long as it lives; the browser frees it
 * when the tab is closed or crashes, and whoever waits for it knows that the tab is gone. Used by the outbox.
 */
import type { LocksLike } from "./env.js";

/** The locks of one tab in one scope. */
export class TabLocks {
  readonly #released = new AbortController();

  constructor(
    private readonly locks: LocksLike | undefined,
    private readonly scope: string,
    tab: string,
  ) {
    const held = new Promise<void>((resolve) => (this.#released.signal.onabort = () => resolve()));
    void this.#request(tab, () => held);
  }

  /**
   * Calls `gone` once no tab holds that name. Without locks (a page over plain http) that is at once: two tabs then
   * may send the same entry, which the server stores once, since its cid is the same.
   */
  whenGone(tab: string, gone: () => Promise<void>): void {
    if (this.locks) void this.#request(tab, gone);
    else void gone();
  }

  close(): void {
    this.#released.abort();
  }

  async #request(tab: string, held: () => Promise<void>): Promise<void> {
    try {
      await this.locks?.request(`moorline ${this.scope} ${tab}`, { signal: this.#released.signal }, held);
    } catch {
      // Aborted by `close`, or forbidden here: nobody is told, nothing is taken over.
    }
  }
}
