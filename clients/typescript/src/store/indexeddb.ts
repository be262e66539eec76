/**
 * The outbox's storage in a browser. One database for all tabs, people and servers; a row's key begins
 * with its scope, so that one person's entries cannot be read as another's.
 */
import { byCid, type OutboxEntry, type ScopedStore, type Store } from "./store.js";

const TABLE = "outbox";
/** A database that a browser never opens, or never writes to, counts as forbidden: nothing may wait for it for ever. */
const STUCK_MS = 5_000;

type Row = OutboxEntry & { readonly scope: string };

/** Keeps entries in IndexedDB. `open` rejects where that is forbidden, and the outbox goes on in memory. */
export function indexedDbStore(name = "moorline", factory: IDBFactory | undefined = globalThis.indexedDB): Store {
  return {
    durable: true,
    async open(scope) {
      // Throws where there is no IndexedDB; whoever opens takes that as forbidden.
      return new IndexedDbScope(await openDatabase(factory!, name), scope);
    },
  };
}

class IndexedDbScope implements ScopedStore {
  constructor(
    private readonly database: IDBDatabase,
    private readonly scope: string,
  ) {}

  async entries(): Promise<OutboxEntry[]> {
    const rows = await settled<Row[]>(this.#table("readonly").getAll(this.#range()));
    return rows.map(withoutScope).sort(byCid);
  }

  put(entry: OutboxEntry): Promise<void> {
    const table = this.#table("readwrite");
    return committed(table.put({ ...entry, scope: this.scope }));
  }

  remove(cid: string): Promise<void> {
    return committed(this.#table("readwrite").delete([this.scope, cid]));
  }

  async takeOver(from: string, to: string): Promise<OutboxEntry[]> {
    // Reading and writing stand in one transaction: of two tabs that try, one finds nothing left.
    const table = this.#table("readwrite");
    const rows = await settled<Row[]>(table.getAll(this.#range()));
    const taken = rows.filter((row) => row.owner === from).map((row) => ({ ...row, owner: to }));
    await Promise.all(taken.map((row) => settled(table.put(row))));
    return taken.map(withoutScope).sort(byCid);
  }

  close(): void {
    this.database.close();
  }

  #table(mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(TABLE, mode).objectStore(TABLE);
  }

  #range(): IDBKeyRange {
    return IDBKeyRange.bound([this.scope], [this.scope, []]);
  }
}

function openDatabase(factory: IDBFactory, name: string): Promise<IDBDatabase> {
  const request = factory.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: ["scope", "cid"] });
  return settled(request).then((database) => {
    // Another tab with a newer version must not wait for this one.
    database.onversionchange = () => database.close();
    return database;
  });
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    setTimeout(reject, STUCK_MS);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Resolves after the commit, asked for at once: a page that is closed in the next moment loses nothing. */
function committed(request: IDBRequest): Promise<void> {
  const transaction = request.transaction!;
  return new Promise((resolve, reject) => {
    setTimeout(reject, STUCK_MS);
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    transaction.commit();
  });
}

function withoutScope({ scope: _, ...entry }: Row): OutboxEntry {
  return entry;
}
