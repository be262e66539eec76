/**
 * What tabs leave behind in the store. Each tab holds a lock under its own name for as long as it lives; the browser frees
 * it when the tab is closed or crashes, and whoever waits for it knows that the tab is gone and sends its entries. Loaded
 * by the outbox when it opens. While it is not there, the tab's lock is not held, and another tab may send the same
 * entries, which the server stores once, since their cids are the same.
 */
import type { Environment } from "../env.js";
import type { OutboxEntry, ScopedStore } from "../store/store.js";

/** A tab that dies is noticed by its lock; what it wrote after our last look, by the next one. */
const SCAN_MS = 10_000;

/** What is needed of the outbox. */
export interface LeftoversHost {
  readonly env: Environment;
  /** One person on one server. */
  readonly scope: string;
  readonly tab: string;
  readonly store: ScopedStore | undefined;
  /** Aborted when the outbox is released. */
  readonly released: AbortSignal;
  /** Entries that are this tab's now. */
  adopt(entries: readonly OutboxEntry[]): void;
}

/** Says that this tab is there, and looks for what others left. Returns what looks at once. */
export function watchLeftovers(host: LeftoversHost): () => void {
  const { env, scope, tab, store, released, adopt } = host;
  const awaited = new Set<string>();
  let timer: unknown;
  const lock = async (name: string, held: () => Promise<void>): Promise<void> => {
    try {
      await env.locks?.request(`moorline ${scope} ${name}`, { signal: released }, held);
    } catch {
      // Released meanwhile, or forbidden here: nobody is told, nothing is taken over.
    }
  };
  const takeOver = async (owner: string): Promise<void> => {
    const entries = (await store?.takeOver(owner, tab).catch(() => [])) ?? [];
    awaited.delete(owner);
    if (!released.aborted) adopt(entries);
  };
  const scan = async (): Promise<void> => {
    env.clearTimeout(timer);
    if (released.aborted) return;
    timer = env.setTimeout(look, SCAN_MS);
    const entries = (await store?.entries().catch(() => [])) ?? [];
    if (released.aborted) return;
    for (const entry of entries) {
      if (entry.owner === tab) adopt([entry]);
      else if (!awaited.has(entry.owner)) {
        awaited.add(entry.owner);
        // Without locks (a page over plain http) at once: both tabs may send it.
        void (env.locks ? lock(entry.owner, () => takeOver(entry.owner)) : takeOver(entry.owner));
      }
    }
  };
  const look = (): void => void scan();
  released.addEventListener("abort", () => env.clearTimeout(timer));
  void lock(tab, () => new Promise((resolve) => released.addEventListener("abort", () => resolve())));
  look();
  return look;
}
