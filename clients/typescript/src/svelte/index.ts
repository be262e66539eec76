/**
 * The door of `@moorline/client/svelte`: the client's snapshots as stores. They keep Svelte's store contract, so `$store`
 * works in every version, and `fromStore` of `svelte/store` makes runes of them. Nothing here imports Svelte.
 */
import type { Client, ClientSnapshot, Person, Readable, Room, RoomInfo, RoomListSnapshot, TimelineSnapshot } from "../api.js";
import { holdClient, holdRoom } from "../hold.js";
import { infoPart, part, personPart, typingPart, type Typists } from "../select.js";

export type { Typists } from "../select.js";

/** A store that is only read. Calls `run` at once and after each change. */
export interface SnapshotStore<T> {
  subscribe(run: (value: T) => void, invalidate?: () => void): () => void;
}

/** A room's store, with the room itself for all that one can do there. */
export interface RoomStore extends SnapshotStore<TimelineSnapshot> {
  readonly room: Room;
}

/** Starts the client; for `onMount(() => running(client))` or `$effect`: it stops when the component goes. */
export function running(client: Client): () => void {
  return holdClient(client);
}

/** Anything that can be read and watched as a store. */
export function snapshot<T>(readable: Readable<T>): SnapshotStore<T> {
  return {
    subscribe(run) {
      let known = readable.getSnapshot();
      const look = (): void => {
        const value = readable.getSnapshot();
        if (!Object.is(value, known)) run((known = value));
      };
      run(known);
      const unsubscribe = readable.subscribe(look);
      // What the subscriber did in its first run may have changed it.
      look();
      return unsubscribe;
    },
  };
}

/** A part of a snapshot; its subscribers hear only of changes of that part, as `isSame` compares it. */
export function selected<T, P>(readable: Readable<T>, select: (value: T) => P, isSame?: (left: P, right: P) => boolean): SnapshotStore<P> {
  return snapshot(part(readable, select, isSame));
}

/** The state of the connection, who is signed in, and how many messages wait or failed. */
export function connection(client: Client): SnapshotStore<ClientSnapshot> {
  return snapshot(client);
}

/** The list of rooms, the latest activity first, with the counts over all. */
export function rooms(client: Client): SnapshotStore<RoomListSnapshot> {
  return snapshot(client.rooms);
}

/** One row of that list; undefined where it is not there. */
export function roomInfo(client: Client, id: string): SnapshotStore<RoomInfo | undefined> {
  return snapshot(infoPart(client, id));
}

/** A room's timeline, opened with the first subscriber and closed after the last. */
export function room(client: Client, id: string): RoomStore {
  const handle = client.room(id);
  const store = snapshot(handle);
  return {
    room: handle,
    subscribe(run) {
      const [unsubscribe, release] = [store.subscribe(run), holdRoom(handle)];
      return () => {
        unsubscribe();
        release();
      };
    },
  };
}

/** Who is typing in a room, without oneself. */
export function typing(client: Client, id: string): SnapshotStore<Typists> {
  return snapshot(typingPart(client, id));
}

/** A person by id: the name to show, and whether they are here. */
export function person(client: Client, id: string): SnapshotStore<Person> {
  return snapshot(personPart(client, id));
}
