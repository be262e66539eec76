// The storage of the SDK's outbox, as the page hands it to the client: the browser's own, which can be emptied for one who signs out.
import type { Store } from '@moorline/client';

/** Passes everything on, and remembers which person on which server was opened last. */
export class Queue implements Store {
  readonly durable: boolean;
  #scope: string | undefined;

  constructor(private readonly store: Store) {
    this.durable = store.durable;
  }

  open(scope: string): ReturnType<Store['open']> {
    this.#scope = scope;
    return this.store.open(scope);
  }

  /** Removes what the person of the last `open` had not sent. Others' messages stay, for their senders. */
  async drop(): Promise<void> {
    if (this.#scope === undefined) return;
    const opened = await this.store.open(this.#scope);
    try {
      for (const { cid } of await opened.entries()) await opened.remove(cid);
    } finally {
      opened.close();
    }
  }
}
