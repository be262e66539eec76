// What a person last saw, kept on this device in IndexedDB for times without the server: rooms, newest messages, names. Used by keeping.svelte.ts
// and the app. It belongs to one person at a time, is bounded, and never holds what waits to be sent, which is the SDK's outbox.
import type { LogItem } from './recall.ts';
import type { Person } from './account.ts';
import type { RoomInfo } from '@moorline/client';

/** Names by id. */
export type Names = Readonly<Record<string, string>>;

/** The room list as it was known at `at`, ms since 1970. */
export interface KeptList {
  readonly at: number;
  readonly rooms: readonly RoomInfo[];
  readonly unread: number;
  readonly mentions: number;
  readonly names: Names;
}

/** The newest messages of a room as they were on screen at `at`, oldest first. */
export interface KeptRoom {
  readonly at: number;
  readonly info: RoomInfo;
  readonly items: readonly LogItem[];
  readonly names: Names;
}

/** Rooms whose messages are kept: those that were open last. */
export const mostRooms = 20;

const table = 'kept';
const own = 'me';
const list = 'list';
const recent = 'recent';
const roomKey = (id: string) => `room ${id}`;

/** The storage; every method rejects where the browser allows none. */
export class Kept {
  readonly #factory: IDBFactory | null;
  readonly #name: string;

  /** Null keeps nothing: where the device's storage is not the page's own. */
  constructor(factory: IDBFactory | null = globalThis.indexedDB ?? null, name = 'moorline-seen') {
    this.#factory = factory;
    this.#name = name;
  }

  /** Whose it is. */
  async owner(): Promise<Person | undefined> {
    return this.#with('readonly', (store) => settled<Person | undefined>(store.get(own)));
  }

  /** From now on it is this person's; what was another's is erased. */
  async own({ id, name }: Person): Promise<void> {
    await this.#with('readwrite', async (store) => {
      const before = await settled<Person | undefined>(store.get(own));
      if (before?.id !== id) await settled(store.clear());
      await settled(store.put({ id, name }, own));
    });
  }

  async list(person: string): Promise<KeptList | undefined> {
    return this.#of(person, 'readonly', (store) => settled<KeptList | undefined>(store.get(list)));
  }

  async room(person: string, id: string): Promise<KeptRoom | undefined> {
    return this.#of(person, 'readonly', (store) => settled<KeptRoom | undefined>(store.get(roomKey(id))));
  }

  /** Keeps the list; `isWhole`: rooms that are not in it are no longer this person's, so their messages go. */
  async keepList(person: string, kept: KeptList, isWhole: boolean): Promise<void> {
    await this.#of(person, 'readwrite', async (store) => {
      await settled(store.put(kept, list));
      if (!isWhole) return;
      const still = new Set(kept.rooms.map((room) => room.id));
      await this.#prune(store, (ids) => ids.filter((id) => still.has(id)));
    });
  }

  async keepRoom(person: string, id: string, kept: KeptRoom): Promise<void> {
    await this.#of(person, 'readwrite', async (store) => {
      await settled(store.put(kept, roomKey(id)));
      await this.#prune(store, (ids) => [id, ...ids.filter((one) => one !== id)].slice(0, mostRooms));
    });
  }

  /** Changes the messages of a room, if they are kept; undefined removes them. */
  async changeRoom(person: string, id: string, change: (kept: KeptRoom) => KeptRoom | undefined): Promise<void> {
    await this.#of(person, 'readwrite', async (store) => {
      const before = await settled<KeptRoom | undefined>(store.get(roomKey(id)));
      if (!before) return;
      const after = change(before);
      if (after) await settled(store.put(after, roomKey(id)));
      else await this.#prune(store, (ids) => ids.filter((one) => one !== id));
    });
  }

  /** Nothing is left of anybody. */
  async erase(): Promise<void> {
    await this.#with('readwrite', (store) => settled(store.clear()));
  }

  /** Forgets the rooms that are not chosen. */
  async #prune(store: IDBObjectStore, choose: (ids: readonly string[]) => readonly string[]): Promise<void> {
    const before = (await settled<readonly string[] | undefined>(store.get(recent))) ?? [];
    const after = choose(before);
    for (const id of before) if (!after.includes(id)) await settled(store.delete(roomKey(id)));
    await settled(store.put(after, recent));
  }

  /** Another tab may have signed out or signed somebody else in: then this does nothing. One transaction, so nothing comes between. */
  async #of<T>(person: string, mode: IDBTransactionMode, work: (store: IDBObjectStore) => Promise<T>): Promise<T | undefined> {
    return this.#with(mode, async (store) => {
      const owner = await settled<Person | undefined>(store.get(own));
      return owner?.id === person ? work(store) : undefined;
    });
  }

  async #with<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => Promise<T>): Promise<T> {
    const database = await this.#open();
    try {
      const transaction = database.transaction(table, mode);
      const done = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
      });
      const [result] = await Promise.all([work(transaction.objectStore(table)), done]);
      return result;
    } finally {
      database.close();
    }
  }

  async #open(): Promise<IDBDatabase> {
    if (!this.#factory) throw new Error('The browser has no IndexedDB.');
    const request = this.#factory.open(this.#name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(table);
    return settled(request);
  }
}

function settled<T>(request: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error);
  });
}
