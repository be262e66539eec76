/**
 * The outbox's storage where nothing better is allowed: gone with the tab. Also what tests and bots use.
 */
import { byCid, type OutboxEntry, type ScopedStore, type Store } from "./store.js";

/** Keeps entries in this object, for as long as it lives. */
export function memoryStore(): Store {
  const scopes = new Map<string, Map<string, OutboxEntry>>();
  return {
    durable: false,
    async open(scope) {
      const entries = scopes.get(scope) ?? new Map<string, OutboxEntry>();
      scopes.set(scope, entries);
      return new MemoryScope(entries);
    },
  };
}

class MemoryScope implements ScopedStore {
  constructor(private readonly map: Map<string, OutboxEntry>) {}

  async entries(): Promise<OutboxEntry[]> {
    return [...this.map.values()].sort(byCid);
  }

  async put(entry: OutboxEntry): Promise<void> {
    this.map.set(entry.cid, entry);
  }

  async remove(cid: string): Promise<void> {
    this.map.delete(cid);
  }

  async takeOver(from: string, to: string): Promise<OutboxEntry[]> {
    const taken = (await this.entries()).filter((entry) => entry.owner === from).map((entry) => ({ ...entry, owner: to }));
    for (const entry of taken) this.map.set(entry.cid, entry);
    return taken;
  }

  close(): void {}
}
