// The bridge from the SDK's snapshots to Svelte: reading `now` inside a view or a derived value subscribes, leaving it unsubscribes.
import type { Readable } from '@moorline/client';
import { createSubscriber } from 'svelte/reactivity';

/** A snapshot of the SDK as a reactive value. */
export class Watched<T> {
  readonly #source: Readable<T>;
  readonly #subscribe: () => void;

  constructor(source: Readable<T>) {
    this.#source = source;
    this.#subscribe = createSubscriber((update) => source.subscribe(update));
  }

  /** The snapshot as it is now. */
  get now(): T {
    this.#subscribe();
    return this.#source.getSnapshot();
  }
}
